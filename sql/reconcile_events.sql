-- Events that came while the trigger was off: leave a request, as it would. Looks at types that somebody waits for, of
-- the last day, whatever zone their writer lives in.
WITH awaited AS (
  SELECT DISTINCT p.waiting ->> 'event' AS type FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.reason = 'waiting_for_event'
)
INSERT INTO resumer.resume_requests (kind, source_id)
SELECT 'event', v.id
FROM awaited w
CROSS JOIN LATERAL (SELECT o.id, o.received_at FROM events o WHERE o.event_type = w.type OFFSET 0) AS v
WHERE v.received_at >= (clock_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day'
  AND (SELECT count(*) FROM resumer.resume_requests r
       WHERE r.source_id = v.id AND r.kind = 'event' AND r.execution_id IS NULL) = 0
LIMIT 10000
RETURNING source_id
