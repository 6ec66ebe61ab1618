-- Whether this lease was recorded by us, for the answer to that commit was lost: of its epoch, ours, and not claimed
-- since. Whoever takes a lease over counts a claim.
SELECT FROM resumer.leases
WHERE execution_id = %(id)s AND epoch = %(epoch)s AND instance = %(instance)s AND claims = 0 AND lease_until IS NOT NULL
