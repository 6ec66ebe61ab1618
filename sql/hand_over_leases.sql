-- A daemon that ends gives its leases to whoever looks first. One that was released stays that.
UPDATE resumer.leases l SET lease_until = clock_timestamp()
FROM unnest(%(execution_ids)s::uuid[], %(epochs)s::bigint[]) AS v (execution_id, epoch)
WHERE l.execution_id = v.execution_id AND l.epoch = v.epoch AND l.lease_until IS NOT NULL
