-- Whether the work is taken: how long the oldest due request waits, and how many executions wait for somebody to look.
SELECT
  (SELECT extract(epoch FROM clock_timestamp() - min(o.due_at))::float8 FROM (
    SELECT r.due_at FROM resumer.resume_requests r WHERE r.outcome IS NULL AND r.due_at <= now() ORDER BY r.due_at LIMIT 1
  ) AS o) AS oldest_due,
  (SELECT count(*)::integer FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.reason = 'incident') AS incidents
