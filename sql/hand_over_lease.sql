-- A daemon that ends gives its lease to whoever looks first.
UPDATE resumer.leases SET lease_until = clock_timestamp() WHERE execution_id = %(id)s AND epoch = %(epoch)s
