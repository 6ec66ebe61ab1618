-- Lock up to `limit` requests' executions that have something due, the longest waiting first; skip what others hold. Where
-- there are more than a batch, `newest` of those that came last too: nobody waits for all that another has decided at
-- once. Locks only: what a SKIP LOCKED join reads beside the lock is as old as its snapshot, so everything is read in
-- later statements. They find the ids in `resumer.claimed`, so they can be sent before the answer is there; and in
-- `resumer.holds` the holds that are in force, which nobody releases before we have committed what they keep. Where no
-- execution was locked no hold is: a row lock is a write.
-- `without` are left alone: a newer version wrote their state, or a turn with them failed.
-- statement_timestamp(): clock_timestamp() is volatile and no index condition. `back`: seconds; what is older is not looked
-- for, nor are the settled ones gone through that an old snapshot keeps.
-- One batch reads some 16 MB of documents at most. What they have as text is not known before it is made: small ones are
-- stored eight times smaller at most in practice, large ones 92 times at the very most. At least one is taken.
WITH oldest AS MATERIALIZED (
  SELECT e.id, coalesce(pg_column_size(e.context), 0) + coalesce(pg_column_size(e.resume_data), 0)
    + coalesce(pg_column_size(e.trigger_payload), 0) AS stored
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at, r.id
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
), newest AS MATERIALIZED (
  SELECT e.id, coalesce(pg_column_size(e.context), 0) + coalesce(pg_column_size(e.resume_data), 0)
    + coalesce(pg_column_size(e.trigger_payload), 0) AS stored
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at DESC, r.id DESC
  LIMIT %(newest)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
), found AS (
  SELECT id, stored, row_number() OVER () AS place
  FROM (SELECT id, stored FROM oldest UNION ALL SELECT id, stored FROM newest) AS both_ends
), weighed AS (
  SELECT id, min(place) AS place, max(stored * CASE WHEN stored > 16384 THEN 92 ELSE 8 END) AS bytes FROM found GROUP BY id
), taken AS (
  SELECT id, sum(bytes) OVER (ORDER BY place) - bytes AS before FROM weighed
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM taken WHERE before < 16e6)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM taken) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds,
  extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS took
