-- Take over leases that are past, of executions that we have locked: a higher epoch, the next of the sequence, and one more
-- claim without progress, unless it stood in line. Whoever takes one lives. An INSERT that always conflicts, because only an
-- INSERT may use the sequence with the rights on the table.
INSERT INTO resumer.leases AS l (execution_id)
SELECT p.execution_id FROM resumer.leases p
WHERE p.execution_id = ANY (%(ids)s::uuid[]) AND p.lease_until < clock_timestamp()
ON CONFLICT (execution_id) DO UPDATE SET
  epoch = greatest(l.epoch + 1, EXCLUDED.epoch), claims = l.claims + CASE WHEN l.instance IS NULL THEN 0 ELSE 1 END,
  instance = %(instance)s, recorded_at = clock_timestamp(),
  lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
RETURNING l.execution_id, l.epoch, l.claims, l.state::text AS state, l.definition
