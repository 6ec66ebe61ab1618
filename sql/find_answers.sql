-- Whether something has come that a branch of a running execution may wait for: a request that is due or parked, or the time
-- of the branch that is due first.
SELECT FROM resumer.resume_requests r
WHERE r.execution_id = %(id)s AND r.kind IN ('approval', 'event', 'timeout')
  AND (r.outcome = 'held' OR (r.outcome IS NULL AND r.due_at <= statement_timestamp()))
UNION ALL
SELECT WHERE %(due)s::timestamptz <= clock_timestamp()
LIMIT 1
