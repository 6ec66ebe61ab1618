-- Seconds from the deciding statement's start until its request was settled, by the database's clock.
SELECT extract(epoch FROM max(r.finished_at - r.requested_at))::float8 AS seconds
FROM resumer.settled_requests r
WHERE r.execution_id = %(id)s::uuid AND r.kind = 'approval' AND r.outcome = 'applied'
