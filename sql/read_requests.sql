-- The requests of the claimed executions that are not settled, timers that are not yet due among them; `consumed` is the
-- decision that was applied of the same approval before. One more is read than a turn may have. A latency begins when
-- somebody asked, or when a timer is due. An event has the place of the event itself, because an older one may be handed
-- over later.
SELECT
  r.id,
  r.execution_id,
  r.kind,
  r.source_id,
  r.decision,
  r.pause_number,
  r.payload::text AS payload,
  r.actor,
  r.reason,
  r.due_at <= statement_timestamp() AS due,
  r.due_at::text AS due_at,
  CASE WHEN r.due_at <= statement_timestamp() THEN greatest(r.requested_at, r.due_at) ELSE r.requested_at END AS wanted_at,
  clock_timestamp() AS seen_at,
  (SELECT a.decision FROM resumer.settled_requests a
   WHERE a.source_id = r.source_id AND a.kind = 'approval' AND a.outcome = 'applied') AS consumed
FROM resumer.resume_requests r
LEFT JOIN LATERAL (
  SELECT o.captured_at, o.id FROM resumer.captured_events o
  WHERE r.kind = 'event' AND o.event_id = r.source_id
  ORDER BY o.event_id LIMIT 1) AS v ON true
WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
ORDER BY coalesce(v.captured_at, r.due_at), coalesce(v.id, r.id)
LIMIT 20001
