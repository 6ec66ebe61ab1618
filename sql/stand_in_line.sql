-- Give a lease back of which nothing is under way, for there was no place: whoever has one takes it after so long.
UPDATE resumer.leases
SET instance = NULL, claims = 0, lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE execution_id = %(id)s AND epoch = %(epoch)s AND lease_until IS NOT NULL
