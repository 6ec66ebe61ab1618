-- Events that came while the trigger was off: leave a request, as it would. Looks at what is not processed and young.
INSERT INTO resumer.resume_requests (kind, source_id)
SELECT 'event', v.id
FROM events v
WHERE v.event_type IN (
    SELECT p.waiting ->> 'event' FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.reason = 'waiting_for_event')
  AND v.received_at >= (clock_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day'
  AND NOT EXISTS (
    SELECT FROM resumer.resume_requests r WHERE r.kind = 'event' AND r.execution_id IS NULL AND r.source_id = v.id
      AND r.requested_at >= clock_timestamp() - interval '2 days')
LIMIT 10000
RETURNING source_id
