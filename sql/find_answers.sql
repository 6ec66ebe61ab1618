-- Whether something has come that a branch of a running execution may wait for: a request that is due or parked, the time of
-- the branch that is due first, or a decision or an expiry of which no trigger and no timer has told.
SELECT FROM resumer.resume_requests r
WHERE r.execution_id = %(id)s AND r.kind IN ('approval', 'event', 'timeout')
  AND (r.outcome = 'held' OR (r.outcome IS NULL AND r.due_at <= statement_timestamp()))
UNION ALL
SELECT WHERE %(due)s::timestamptz <= clock_timestamp()
UNION ALL
SELECT FROM approval_requests a
WHERE a.id = ANY (%(asked)s::uuid[])
  AND (a.status <> 'pending' OR a.expires_at <= statement_timestamp() AT TIME ZONE %(timezone)s)
LIMIT 1
