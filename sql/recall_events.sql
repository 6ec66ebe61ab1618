-- Executions that wait for events since a moment ago: the oldest event since the execution started that may end a wait, and
-- that has ended no earlier wait of it, is a request too. Keys of our own find the events (sql/key_events.sql): by the
-- anchor of the wait; without `match`, by the entity, for each set of entities that events of the type name. Runs after the
-- commit of the pause: the keys of an event that is not seen here are committed later, and its fan-out sees the wait. Goes
-- through 200 events for each wait, then asks for another look from there.
WITH looking AS MATERIALIZED (
  SELECT w.*, greatest(w.since_id, w.looked_to) AS after,
    ARRAY(
      SELECT DISTINCT resumer.event_key(w.event_type, w.organization_id, t.term)
      FROM (
        SELECT '' AS term WHERE k.whole
        UNION ALL
        SELECT '*' WHERE NOT k.whole
        UNION ALL
        SELECT w.anchor || '=' || w.value WHERE NOT k.whole AND w.match <> '{}'
        UNION ALL
        SELECT coalesce(
          (SELECT '=' || o.name || '.id=' || resumer.index_text(w.entities -> o.name)
           FROM unnest(n.names) AS o (name) WHERE w.entities ? o.name LIMIT 1),
          '~' || array_to_string(n.names, ','))
        FROM resumer.event_names n
        WHERE n.event_type = w.event_type AND n.organization_id = w.organization_id AND NOT k.whole AND w.match = '{}'
      ) AS t) AS keys,
    ARRAY(
      SELECT u.source_id FROM resumer.requests u
      WHERE u.execution_id = w.execution_id AND u.kind = 'event'
        AND (u.pause_number = w.pause_number OR u.outcome = 'applied')) AS used
  FROM resumer.event_waits w
  -- keys have no truth values, and nothing beneath a second level
  CROSS JOIN LATERAL (SELECT w.anchor = '' OR w.anchor LIKE '=%%.%%.%%' OR (w.anchor LIKE '=%%' AND w.value IN ('true', 'false'))
    AS whole) AS k
  WHERE w.execution_id = ANY (%(ids)s::uuid[])
), found AS MATERIALIZED (
  SELECT w.execution_id, w.pause_number, w.path, v.id, v.event_type, v.payload
  FROM looking w
  CROSS JOIN LATERAL (
    SELECT v.id, v.event_type, v.payload
    FROM (
      SELECT o.captured_id FROM unnest(w.keys) AS a (key)
      CROSS JOIN LATERAL (
        SELECT k.captured_id FROM resumer.event_keys k WHERE k.key = a.key AND k.captured_id > w.after
        ORDER BY k.key, k.captured_id LIMIT 200) AS o
      ORDER BY o.captured_id LIMIT 200) AS c
    CROSS JOIN LATERAL (SELECT * FROM resumer.captured_events o WHERE o.id = c.captured_id LIMIT 1) AS r
    CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = r.event_id LIMIT 1) AS v
    WHERE v.event_type = w.event_type
      AND v.organization_id = w.organization_id --? organization
      AND (r.captured_at >= w.since OR (w.since_id IS NOT NULL AND NOT r.missed))
      AND v.id <> ALL (w.used)
      AND resumer.may_end(w.match, w.entities, v.payload)
    ORDER BY NOT r.missed, c.captured_id LIMIT 1) AS v
), ahead AS MATERIALIZED (
  SELECT w.execution_id, w.pause_number, w.path, l.captured_id
  FROM looking w
  CROSS JOIN LATERAL (
    SELECT o.captured_id FROM unnest(w.keys) AS a (key)
    CROSS JOIN LATERAL (
      SELECT k.captured_id FROM resumer.event_keys k WHERE k.key = a.key AND k.captured_id > w.after
      ORDER BY k.key, k.captured_id LIMIT 200) AS o
    ORDER BY o.captured_id OFFSET 199 LIMIT 1) AS l
  WHERE (w.execution_id, w.pause_number, w.path) NOT IN (SELECT f.execution_id, f.pause_number, f.path FROM found f)
), moved AS (
  UPDATE resumer.event_waits w SET looked_to = a.captured_id
  FROM ahead a
  WHERE w.execution_id = a.execution_id AND w.pause_number = a.pause_number AND w.path = a.path
)
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, payload)
SELECT DISTINCT ON (f.execution_id, f.id) f.execution_id, 'event', f.id, f.event_type, f.pause_number, f.payload FROM found f
UNION ALL
SELECT DISTINCT a.execution_id, 'adopt', NULL::uuid, NULL, NULL::integer, NULL::jsonb FROM ahead a
