-- The fence, second half: zero rows, and the lease is somebody else's.
UPDATE resumer.leases SET claims = 0 WHERE execution_id = %(id)s AND epoch = %(epoch)s AND lease_until IS NOT NULL
RETURNING epoch
