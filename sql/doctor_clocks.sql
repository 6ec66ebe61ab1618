-- How far the writers' clocks are from the server's: of the last decisions, those whose `decided_at`, read in the zone of
-- the settings, is more than a minute from when the trigger saw them; and by how many seconds in the middle.
SELECT count(*)::integer AS decisions, count(*) FILTER (WHERE abs(d.off) > 60)::integer AS off,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY d.off) FILTER (WHERE abs(d.off) > 60))::float8 AS seconds
FROM (
  SELECT extract(epoch FROM (CASE WHEN a.decided_at BETWEEN '0001-01-01' AND '9999-01-01' THEN a.decided_at END)
    AT TIME ZONE %(timezone)s - r.requested_at)::float8 AS off
  FROM (
    SELECT o.source_id, o.requested_at, o.decision FROM resumer.requests o
    WHERE o.kind = 'approval' ORDER BY o.id DESC LIMIT 1000
  ) AS r
  JOIN approval_requests a ON a.id = r.source_id AND a.status = r.decision
) AS d
