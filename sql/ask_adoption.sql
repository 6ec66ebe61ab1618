-- Ask for a look at each of these executions, as a trigger would have done had it been there.
INSERT INTO resumer.resume_requests (execution_id, kind, actor, reason)
SELECT id, 'adopt', session_user, 'adopt --since' FROM unnest(%(ids)s::uuid[]) AS v (id)
