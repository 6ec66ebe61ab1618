-- What was asked for and what became of it, newest first. Each filter that is NULL lets everything pass.
SELECT l.*
FROM resumer.ledger l
WHERE (%(key)s::text IS NULL OR l.execution_id = resumer.find(%(key)s))
  AND (%(kind)s::text IS NULL OR l.kind = %(kind)s)
  AND (%(outcome)s::text IS NULL OR l.outcome = %(outcome)s)
  AND (%(seconds)s::float8 IS NULL OR l.requested_at > clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY l.request DESC
LIMIT %(limit)s
