-- Leases that are past and whose state a newer version wrote: we leave them to it.
SELECT l.execution_id FROM resumer.leases l
WHERE l.lease_until < statement_timestamp() AND l.state -> 'v' > to_jsonb(%(version)s::integer)
ORDER BY l.lease_until
LIMIT 100
