-- Close the approvals that nobody waits for any more: no inbox keeps a request whose decision would move nothing. Our own
-- trigger takes no notice. A locked row is skipped, for somebody is deciding; a timer looks again in a second, should
-- that decision be rolled back.
WITH wanted AS (
  SELECT v.id, v.execution_id, pg_catalog.set_config('resumer.closing', 'on', true)
  FROM unnest(%(ids)s::uuid[], %(execution_ids)s::uuid[]) AS v (id, execution_id)
), free AS (
  SELECT a.id
  FROM wanted w
  CROSS JOIN LATERAL (
    SELECT o.* FROM approval_requests o WHERE o.id = w.id OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) AS a
  WHERE a.status::text = 'pending'
), closed AS (
  UPDATE approval_requests a
  SET status = (SELECT c.closed_status FROM resumer.control c),
    decision_reason = 'Closed by resumer-daemon: nobody waits for this decision any more.',
    decided_at = pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
  WHERE a.id = ANY (ARRAY(SELECT id FROM free))
  RETURNING a.id
), again AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
  SELECT w.execution_id, 'timeout', w.id, pg_catalog.statement_timestamp() + interval '1 second'
  FROM wanted w
  WHERE w.id NOT IN (SELECT id FROM closed)
)
SELECT pg_catalog.count(*) FROM closed
