-- Make of each due event one request for each execution that waits for its type, in its organisation; the event's own
-- request is settled with it. Here only plain texts that differ are told apart: what `match` means is decided under
-- the execution's lock. With `route`, workflows are started whose newest version the event triggers.
WITH due AS (
  SELECT r.id, r.source_id
  FROM resumer.resume_requests r
  WHERE r.kind = 'event' AND r.execution_id IS NULL AND r.outcome IS NULL AND r.due_at <= statement_timestamp()
  ORDER BY r.id
  LIMIT 100
  FOR UPDATE SKIP LOCKED
), happened AS (
  SELECT d.id AS request, v.*
  FROM due d CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = d.source_id LIMIT 1) AS v
), fanned AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, pause_number, payload)
  SELECT p.execution_id, 'event', h.id, p.number, h.payload
  FROM happened h
  CROSS JOIN LATERAL (
    SELECT * FROM resumer.pauses o
    WHERE o.resumed_at IS NULL AND o.reason = 'waiting_for_event' AND o.waiting ->> 'event' = h.event_type
    OFFSET 0) AS p
  JOIN LATERAL (SELECT * FROM workflow_executions o WHERE o.id = p.execution_id LIMIT 1) AS e ON true
    AND e.organization_id = h.organization_id --? organization
  WHERE NOT EXISTS (
    SELECT FROM jsonb_each(p.waiting -> 'match') AS m
    WHERE jsonb_typeof(m.value) = 'string' AND jsonb_typeof(h.payload #> string_to_array(m.key, '.')) = 'string'
      AND h.payload #> string_to_array(m.key, '.') <> m.value)
  RETURNING 1
), routed AS (
  SELECT h.id, h.event_type, h.payload, w.id AS workflow, w.workflow_id,
    NULL::uuid AS organization --? no_organization
    w.organization_id AS organization --? organization
  FROM happened h
  CROSS JOIN LATERAL (
    SELECT DISTINCT ON (o.workflow_id) o.* FROM workflows o
    WHERE o.enabled
      AND o.organization_id = h.organization_id --? organization
    ORDER BY o.workflow_id, o.created_at DESC NULLS LAST) AS w
  CROSS JOIN LATERAL (SELECT coalesce(w.definition #> '{definition,trigger}', w.definition -> 'trigger') AS trigger) AS t
  WHERE %(route)s AND coalesce(t.trigger ->> 'type', 'event') = 'event'
    AND (t.trigger ->> 'event' = h.event_type
      OR (t.trigger ->> 'event' LIKE '%%*' AND starts_with(h.event_type, left(t.trigger ->> 'event', -1))))
), started AS (
  SELECT r.id, array_agg(r.workflow_id::text) AS workflows,
    array_agg(resumer.queue(r.workflow, r.organization, r.event_type, r.payload)) AS executions
  FROM routed r GROUP BY r.id
), processed AS (
  UPDATE events v
  SET processed_at = statement_timestamp() AT TIME ZONE %(timezone)s, triggered_workflows = s.workflows
  FROM happened h LEFT JOIN started s ON s.id = h.id,
    -- the service's triggers need the path of role and database; nothing of ours is looked up after that
    (SELECT set_config('search_path', %(search_path)s, true)) AS p
  WHERE %(route)s AND v.id = ANY (ARRAY(SELECT o.id FROM happened o)) AND v.id = h.id
)
UPDATE resumer.resume_requests r
SET outcome = CASE WHEN EXISTS (SELECT FROM happened h WHERE h.request = r.id) THEN 'applied' ELSE 'orphan' END,
  finished_at = clock_timestamp()
WHERE r.id = ANY (ARRAY(SELECT d.id FROM due d))
RETURNING r.outcome, (SELECT count(*) FROM fanned) AS fanned
