-- Leases that are ours and run nowhere here: they were taken in a commit whose answer was lost. Whoever looks first goes
-- on. The instance stays: should one be about to run after all, what it sends is not taken for something never sent.
UPDATE resumer.leases SET lease_until = clock_timestamp()
WHERE instance = %(instance)s AND lease_until > statement_timestamp() AND execution_id <> ALL (%(running)s::uuid[])
