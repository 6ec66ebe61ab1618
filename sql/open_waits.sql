-- Record the events that open pauses wait for, one row for each. `anchors` are conditions that an index finds.
INSERT INTO resumer.event_waits (execution_id, pause_number, path, event_type, match, entities, anchor, value, since_id, since,
  organization_id)
SELECT v.execution_id, v.number, v.path, v.event_type, v.match, v.entities, v.anchor, resumer.index_text(v.value),
  s.id, coalesce(s.requested_at, e.started_at AT TIME ZONE %(timezone)s, '-infinity'),
  '00000000-0000-0000-0000-000000000000' --? no_organization
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
