-- Events that came while the trigger was off, of the last day and of types that somebody waits for: enter each with the
-- time it came, and have who waits look back, as after a pause that was slower than its event. It is for nobody who
-- began later than it came.
WITH awaited AS MATERIALIZED (
  SELECT DISTINCT p.waiting ->> 'event' AS type FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.reason = 'waiting_for_event'
), missed AS MATERIALIZED (
  SELECT v.id, v.event_type, v.received_at
  FROM awaited w
  CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.event_type = w.type OFFSET 0) AS v
  WHERE v.received_at >= (clock_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day'
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.source_id = v.id AND r.kind = 'event' AND r.execution_id IS NULL) = 0
  LIMIT 10000
), entered AS (
  INSERT INTO resumer.resume_requests (kind, source_id, requested_at, outcome, finished_at)
  SELECT 'event', m.id, least(m.received_at AT TIME ZONE %(timezone)s, clock_timestamp()), 'applied', clock_timestamp()
  FROM missed m
)
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT p.execution_id, 'adopt'
FROM (SELECT DISTINCT m.event_type FROM missed m) AS t
CROSS JOIN LATERAL (
  SELECT o.execution_id FROM resumer.pauses o
  WHERE o.resumed_at IS NULL AND o.reason = 'waiting_for_event' AND o.waiting ->> 'event' = t.event_type
  OFFSET 0) AS p
RETURNING execution_id
