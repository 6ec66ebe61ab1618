-- Let go of leases. Whoever comes next takes a new one, with a higher epoch: all epochs come from one sequence.
DELETE FROM resumer.leases WHERE execution_id = ANY (%(execution_ids)s::uuid[])
