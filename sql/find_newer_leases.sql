-- Leases that are past and whose state a newer version wrote, among those that have been past for longest: we leave them to it.
SELECT l.execution_id
FROM (
  SELECT o.execution_id, o.state FROM resumer.leases o
  WHERE o.lease_until < statement_timestamp()
  ORDER BY o.lease_until
  LIMIT 1000) AS l
WHERE l.state -> 'v' > to_jsonb(%(version)s::integer)
LIMIT 100
