-- Open pauses by reason, and the oldest of each.
SELECT p.reason, count(*) AS open,
  extract(epoch FROM clock_timestamp() - min(p.paused_at))::float8 AS oldest
FROM resumer.pauses p
WHERE p.resumed_at IS NULL
GROUP BY p.reason
