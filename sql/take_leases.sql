-- Take or keep the lease of executions that are advanced beyond this transaction, with the state to go on from. A new
-- holder raises the epoch; every later write of the old one finds zero rows. Without seconds nobody holds it: it stands
-- in line, and whoever has a place takes it as if it were past.
INSERT INTO resumer.leases AS l (execution_id, instance, lease_until, state, definition)
SELECT v.execution_id, CASE WHEN v.seconds IS NOT NULL THEN %(instance)s::uuid END,
  clock_timestamp() + make_interval(secs => coalesce(v.seconds, 0)), v.state, v.definition
FROM unnest(%(execution_ids)s::uuid[], %(seconds)s::float8[], %(states)s::jsonb[], %(definitions)s::text[])
  AS v (execution_id, seconds, state, definition)
ON CONFLICT (execution_id) DO UPDATE SET
  epoch = greatest(l.epoch + 1, EXCLUDED.epoch), -- with each durable point: who repeats a commit whose answer was lost finds that it is done
  instance = EXCLUDED.instance,
  lease_until = EXCLUDED.lease_until,
  state = EXCLUDED.state,
  definition = EXCLUDED.definition,
  claims = 0,
  recorded_at = clock_timestamp()
RETURNING l.execution_id, l.epoch
