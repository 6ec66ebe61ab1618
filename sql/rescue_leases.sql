-- Take over leases that are past, of executions that we have locked: a higher epoch, and one more claim without
-- progress, unless it stood in line. Whoever takes one lives.
UPDATE resumer.leases l
SET epoch = l.epoch + 1, claims = l.claims + CASE WHEN l.instance IS NULL THEN 0 ELSE 1 END,
  instance = %(instance)s, recorded_at = clock_timestamp(),
  lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE l.execution_id = ANY (%(ids)s::uuid[]) AND l.lease_until < clock_timestamp()
RETURNING l.execution_id, l.epoch, l.claims, l.state::text AS state, l.definition
