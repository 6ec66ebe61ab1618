-- Write `expired` where nobody decides; the table's trigger makes the request of it. A locked row is skipped, for
-- somebody is deciding, and gets a timer that looks again in a second.
WITH wanted AS (
  SELECT v.id, v.execution_id, pg_catalog.set_config('resumer.closing', 'off', true)
  FROM unnest(%(ids)s::uuid[], %(execution_ids)s::uuid[]) AS v (id, execution_id)
), free AS (
  SELECT a.id
  FROM wanted w
  CROSS JOIN LATERAL (
    SELECT o.* FROM approval_requests o WHERE o.id = w.id OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) AS a
  WHERE a.status::text = 'pending' AND a.expires_at <= pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
), expired AS (
  UPDATE approval_requests a
  SET status = 'expired', decided_at = pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
  WHERE a.id = ANY (ARRAY(SELECT id FROM free))
  RETURNING a.id
)
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
SELECT w.execution_id, 'timeout', w.id, pg_catalog.statement_timestamp() + interval '1 second'
FROM wanted w WHERE w.id NOT IN (SELECT id FROM expired)
