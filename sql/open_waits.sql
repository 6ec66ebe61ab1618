-- Record the events that open pauses wait for, one row for each. `anchors` are conditions that an index finds. Where events of
-- the type are not captured since the moment that a wait counts from, they are searched from there (sql/search_events.sql);
-- what was there before the installation is for nobody.
WITH opened AS (
  SELECT v.*, s.id AS since_id, coalesce(s.requested_at, e.started_at AT TIME ZONE %(timezone)s, '-infinity') AS since,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    e.organization_id --? organization
  FROM unnest(
      %(execution_ids)s::uuid[], %(numbers)s::integer[], %(paths)s::text[], %(event_types)s::text[], %(matches)s::jsonb[],
      %(entities)s::jsonb[], %(anchors)s::text[], %(values)s::jsonb[]
    ) AS v (execution_id, number, path, event_type, match, entities, anchor, value)
  CROSS JOIN LATERAL (SELECT * FROM workflow_executions o WHERE o.id = v.execution_id LIMIT 1) AS e
  LEFT JOIN LATERAL (
    SELECT r.id, r.requested_at FROM resumer.requests r
    WHERE r.execution_id = v.execution_id AND r.kind = 'start'
    ORDER BY r.id LIMIT 1) AS s ON true
), registered AS (
  INSERT INTO resumer.event_types AS t (event_type, since)
  SELECT o.event_type, min(m.since)
  FROM opened o CROSS JOIN LATERAL (
    SELECT greatest(o.since, (SELECT c.installed_at FROM resumer.control c)) AS since) AS m
  WHERE NOT EXISTS (SELECT FROM resumer.event_types k WHERE k.event_type = o.event_type AND k.since <= m.since)
  GROUP BY o.event_type
  ORDER BY o.event_type
  ON CONFLICT (event_type) DO UPDATE
  SET since = least(t.since, excluded.since), searched_to = NULL, mark = NULL, complete = false
)
INSERT INTO resumer.event_waits (execution_id, pause_number, path, event_type, match, entities, anchor, value, since_id, since,
  organization_id)
SELECT o.execution_id, o.number, o.path, o.event_type, o.match, o.entities, o.anchor, resumer.index_text(o.value), o.since_id,
  o.since, o.organization_id
FROM opened o
