-- Whether the work is taken: how long the oldest due request waits, and how many executions wait for somebody to
-- look, or for a daemon of a newer version than ours (of the first 100,000 pauses).
SELECT
  (SELECT extract(epoch FROM clock_timestamp() - min(o.due_at))::float8 FROM (
    SELECT r.due_at FROM resumer.resume_requests r WHERE r.outcome IS NULL AND r.due_at <= now() ORDER BY r.due_at LIMIT 1
  ) AS o) AS oldest_due,
  (SELECT count(*)::integer FROM (
      SELECT p.state -> 'v' AS v FROM resumer.pauses p WHERE p.resumed_at IS NULL LIMIT 100000) AS o
    WHERE o.v > to_jsonb(%(version)s::integer))
  + (SELECT count(*)::integer FROM resumer.leases l
    WHERE l.lease_until IS NOT NULL AND l.state -> 'v' > to_jsonb(%(version)s::integer)) AS newer,
  (SELECT count(*)::integer FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.reason = 'incident') AS incidents
