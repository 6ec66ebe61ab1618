-- Lock executions whose lease is past, whoever held it; skip what somebody is writing at this moment, and
-- what a newer version wrote.
WITH past AS MATERIALIZED (
  SELECT e.id
  FROM resumer.leases l
  JOIN workflow_executions e ON e.id = l.execution_id
  WHERE l.lease_until < statement_timestamp() AND coalesce(l.state -> 'v' <= to_jsonb(%(version)s::integer), true)
  ORDER BY l.lease_until
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM past)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM past) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds
