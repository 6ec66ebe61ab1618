-- Take or keep the lease of executions that are advanced beyond this transaction, with the state to go on from. A new
-- holder raises the epoch; every later write of the old one finds zero rows.
INSERT INTO resumer.leases AS l (execution_id, instance, epoch, lease_until, state, definition)
SELECT v.execution_id, %(instance)s, 1, clock_timestamp() + make_interval(secs => v.seconds), v.state, v.definition
FROM unnest(%(execution_ids)s::uuid[], %(seconds)s::float8[], %(states)s::jsonb[], %(definitions)s::text[])
  AS v (execution_id, seconds, state, definition)
ON CONFLICT (execution_id) DO UPDATE SET
  epoch = l.epoch + CASE WHEN l.lease_until IS NULL THEN 1 ELSE 0 END,
  instance = EXCLUDED.instance,
  lease_until = EXCLUDED.lease_until,
  state = EXCLUDED.state,
  definition = EXCLUDED.definition,
  claims = 0,
  recorded_at = clock_timestamp()
RETURNING l.execution_id, l.epoch
