-- What must be true while the daemon is stuck: due requests and the oldest of them, bounded. The planner does not
-- know that due and open exclude each other: ORDER BY due_at LIMIT keeps it on the index.
SELECT due.kind, count(*) AS open,
  greatest(0, extract(epoch FROM clock_timestamp() - min(due.due_at)))::float8 AS oldest
FROM (
  SELECT r.kind, r.due_at FROM resumer.resume_requests r
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
  ORDER BY r.due_at
  LIMIT 10001) AS due
GROUP BY due.kind
