-- Let go of leases; the epoch stays, so that whoever comes next has a higher one.
UPDATE resumer.leases SET lease_until = NULL, state = NULL, definition = NULL
WHERE execution_id = ANY (%(execution_ids)s::uuid[])
