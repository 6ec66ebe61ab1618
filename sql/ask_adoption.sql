-- Ask for a look at each of these executions, as a trigger would have done had it been there.
SELECT resumer.adopt(id) FROM unnest(%(ids)s::uuid[]) AS v (id)
