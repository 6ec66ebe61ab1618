-- Keep leases that we have just taken for as long as the effects that are begun again may take, rests before them too.
UPDATE resumer.leases l SET lease_until = clock_timestamp() + make_interval(secs => v.seconds)
FROM unnest(%(execution_ids)s::uuid[], %(seconds)s::float8[]) AS v (execution_id, seconds)
WHERE l.execution_id = v.execution_id
