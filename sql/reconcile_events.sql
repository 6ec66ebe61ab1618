-- Events that came while the trigger was off, of the last day and of types that somebody waits for: enter each with the
-- time it came, and have it fanned out. An execution that began later is not meant: that is why the time says so.
WITH RECURSIVE awaited AS (
  (SELECT w.event_type FROM resumer.event_waits w ORDER BY w.event_type LIMIT 1)
  UNION ALL
  SELECT (SELECT w.event_type FROM resumer.event_waits w WHERE w.event_type > a.event_type ORDER BY w.event_type LIMIT 1)
  FROM awaited a WHERE a.event_type IS NOT NULL
), missed AS MATERIALIZED (
  SELECT v.id, v.received_at
  FROM awaited a
  CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.event_type = a.event_type OFFSET 0) AS v
  WHERE v.received_at >= (clock_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day'
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.source_id = v.id AND r.kind = 'event' AND r.execution_id IS NULL) = 0
  LIMIT 10000
)
INSERT INTO resumer.resume_requests (kind, source_id, requested_at)
SELECT 'event', m.id, least(m.received_at AT TIME ZONE %(timezone)s, statement_timestamp() - interval '1 microsecond')
FROM missed m
ORDER BY m.received_at
RETURNING source_id
