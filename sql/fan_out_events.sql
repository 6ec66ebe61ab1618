-- Make of each of these events a request for each execution that waits for it, in its organisation, and take the event from
-- its queue. Their keys are committed (sql/key_events.sql). An index finds the waits: for each kind of condition that a type's waits have (`anchor`), those with the
-- event's value. What SQL cannot decide, the engine decides under the execution's lock. A wait is ended by one event, so
-- it has the oldest of the batch (those that no trigger saw come first), and none while another one that may end it is unsettled: when that one does not end it,
-- the daemon looks back (sql/recall_events.sql). With `route`, workflows are started whose newest version the event
-- triggers, but not by an event that no trigger saw. Where one event has more waits than a statement has time for, it is
-- handed over in slices of executions, by the hash of their ids: from where its row says, for so many hashes (`width`).
-- A wait that begins meanwhile looks back. Returns the outcome of each event; one that was not handed over to all has none.
WITH RECURSIVE due AS (
  SELECT q.id, q.event_id, q.captured_at, q.missed, q.place
  FROM resumer.event_queue q
  WHERE q.id = ANY (%(captured)s::bigint[])
  ORDER BY q.id
  FOR UPDATE SKIP LOCKED
), happened AS MATERIALIZED (
  SELECT d.id AS captured, d.captured_at, d.missed, v.id, v.event_type, v.payload,
    d.place, d.place + %(width)s::bigint AS beyond,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    v.organization_id --? organization
  FROM due d
  -- one that was captured twice has its keys under the first id alone
  JOIN resumer.captured_events c ON c.id = d.id
  CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = d.event_id LIMIT 1) AS v
), anchors AS (
  SELECT t.event_type, t.organization_id, a.anchor
  FROM (SELECT DISTINCT h.event_type, h.organization_id FROM happened h) AS t
  CROSS JOIN LATERAL (
    SELECT w.anchor FROM resumer.event_waits w
    WHERE w.event_type = t.event_type AND w.organization_id = t.organization_id
    ORDER BY w.event_type, w.organization_id, w.anchor LIMIT 1) AS a
  UNION ALL
  SELECT l.event_type, l.organization_id, a.anchor
  FROM anchors l
  CROSS JOIN LATERAL (
    SELECT w.anchor FROM resumer.event_waits w
    WHERE w.event_type = l.event_type AND w.organization_id = l.organization_id AND w.anchor > l.anchor
    ORDER BY w.event_type, w.organization_id, w.anchor LIMIT 1) AS a
), asked AS MATERIALIZED (
  SELECT h.*, a.anchor, resumer.index_text(n.value) AS value,
    a.anchor = '' OR (a.anchor LIKE '~%%' AND n.value IS NULL) AS whole
  FROM happened h
  JOIN anchors a ON a.event_type = h.event_type AND a.organization_id = h.organization_id
  CROSS JOIN LATERAL (SELECT substr(a.anchor, 2) AS path) AS p
  CROSS JOIN LATERAL (
    SELECT CASE WHEN a.anchor LIKE '=%%' THEN coalesce(h.payload #> string_to_array(p.path, '.'), h.payload -> p.path)
      WHEN jsonb_typeof(h.payload -> p.path) = 'object' THEN h.payload -> p.path -> 'id' END AS value) AS n
), handed AS (
  SELECT w.execution_id, w.pause_number, w.path, w.match, w.entities, q.captured, q.missed, q.id, q.event_type, q.payload
  FROM asked q
  CROSS JOIN LATERAL (
    SELECT o.*, uuid_hash(o.execution_id) + 2147483648 AS place FROM resumer.event_waits o
    WHERE o.event_type = q.event_type AND o.organization_id = q.organization_id AND o.anchor = q.anchor
      AND o.value = q.value) AS w
  WHERE NOT q.whole AND w.place >= q.place AND w.place < q.beyond AND resumer.may_end(w.match, w.entities, q.payload)
    AND CASE WHEN w.since_id IS NULL OR q.missed THEN q.captured_at >= w.since ELSE q.captured > w.since_id END
  UNION ALL
  -- an event without the value is for all waits of the anchor: each of them looks for its first one
  SELECT w.execution_id, w.pause_number, w.path, w.match, w.entities, f.captured, f.missed, f.id, f.event_type, f.payload
  FROM (SELECT DISTINCT q.event_type, q.organization_id, q.anchor FROM asked q WHERE q.whole) AS t
  CROSS JOIN LATERAL (
    SELECT o.*, uuid_hash(o.execution_id) + 2147483648 AS place FROM resumer.event_waits o
    WHERE o.event_type = t.event_type AND o.organization_id = t.organization_id AND o.anchor = t.anchor OFFSET 0) AS w
  CROSS JOIN LATERAL (
    SELECT q.captured, q.missed, q.id, q.event_type, q.payload
    FROM (
      SELECT * FROM asked o
      WHERE o.whole AND o.event_type = t.event_type AND o.organization_id = t.organization_id AND o.anchor = t.anchor
        AND w.place >= o.place AND w.place < o.beyond
      ORDER BY NOT o.missed, o.captured OFFSET 0) AS q
    WHERE resumer.may_end(w.match, w.entities, q.payload)
      AND CASE WHEN w.since_id IS NULL OR q.missed THEN q.captured_at >= w.since ELSE q.captured > w.since_id END
    LIMIT 1) AS f
), found AS (
  SELECT DISTINCT ON (h.execution_id, h.pause_number, h.path) h.*
  FROM handed h
  ORDER BY h.execution_id, h.pause_number, h.path, NOT h.missed, h.captured
), fanned AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, payload)
  SELECT f.execution_id, 'event', f.id, f.event_type, f.pause_number, f.payload
  FROM (
    SELECT DISTINCT ON (o.execution_id, o.id) o.* FROM found o
    WHERE (SELECT count(*) FROM resumer.resume_requests r
           WHERE r.execution_id = o.execution_id AND r.kind = 'event' AND (r.outcome IS NULL OR r.outcome = 'held')
             AND r.pause_number = o.pause_number AND r.decision = o.event_type
             AND resumer.may_end(o.match, o.entities, r.payload)) = 0
    ORDER BY o.execution_id, o.id) AS f
  LEFT JOIN LATERAL (
    SELECT o.reason, o.resumed_at FROM resumer.pauses o
    WHERE o.execution_id = f.execution_id AND o.number = f.pause_number
    LIMIT 1) AS p ON true
  -- a branch that waits beside effects under way has no pause yet
  WHERE p.reason IS NULL OR (p.resumed_at IS NULL AND p.reason NOT IN ('manual', 'incident'))
  ORDER BY NOT f.missed, f.captured
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
  WHERE %(route)s AND NOT h.missed AND h.beyond >= 4294967296 AND coalesce(t.trigger ->> 'type', 'event') = 'event'
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
  WHERE %(route)s AND NOT h.missed AND h.beyond >= 4294967296 AND v.id = ANY (ARRAY(SELECT o.id FROM happened o)) AND v.id = h.id
), handled AS MATERIALIZED (
  SELECT d.id, h.beyond,
    CASE WHEN h.beyond < 4294967296 THEN NULL WHEN h.id IS NULL THEN 'orphan' ELSE 'applied' END AS outcome
  FROM due d LEFT JOIN happened h ON h.captured = d.id
), ended AS (
  DELETE FROM resumer.event_queue q
  WHERE q.id = ANY (ARRAY(SELECT d.id FROM handled d WHERE d.outcome IS NOT NULL))
), went_on AS (
  UPDATE resumer.event_queue q SET place = d.beyond
  FROM handled d
  WHERE q.id = ANY (ARRAY(SELECT o.id FROM handled o WHERE o.outcome IS NULL)) AND q.id = d.id
)
SELECT d.outcome FROM handled d
