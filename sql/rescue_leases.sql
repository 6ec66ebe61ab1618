-- Take over expired leases of executions that we have locked: a higher epoch, and one more claim without progress.
UPDATE resumer.leases l
SET epoch = l.epoch + 1, claims = l.claims + 1, instance = %(instance)s,
  lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE l.execution_id = ANY (%(ids)s::uuid[]) AND l.lease_until < clock_timestamp()
RETURNING l.execution_id, l.epoch, l.claims, l.state::text AS state, l.definition,
  extract(epoch FROM l.recorded_at)::float8 AS recorded_at
