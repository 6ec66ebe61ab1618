-- Lock up to `limit` requests' executions that have something due, the longest waiting first; skip what others hold. Where
-- there are more than a batch, `newest` of those that came last too: nobody waits for all that another has decided at
-- once. Locks only: what a SKIP LOCKED join reads beside the lock is as old as its snapshot, so everything is read in
-- later statements. They find the ids in `resumer.claimed`, so they can be sent before the answer is there; and in
-- `resumer.holds` the holds that are in force, which nobody releases before we have committed what they keep.
-- `without` are left alone: a newer version wrote their state.
-- statement_timestamp(): clock_timestamp() is volatile and no index condition. `back`: seconds; what is older is not looked
-- for, nor are the settled ones gone through that an old snapshot keeps.
WITH oldest AS MATERIALIZED (
  SELECT e.id
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at, r.id
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
), newest AS MATERIALIZED (
  SELECT e.id
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at DESC, r.id DESC
  LIMIT %(newest)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM oldest UNION SELECT id FROM newest)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL FOR SHARE SKIP LOCKED)::text, true) AS holds,
  extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS took
