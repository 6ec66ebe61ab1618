-- Say in the service's own log who paused, resumed, retried or cancelled what, what was decided, and what became an
-- incident: in the transaction that does it.
INSERT INTO audit_log (
  organization_id, --? audit_organization
  entity_type, entity_id, action, actor_id, actor_type, changes, "timestamp"
)
SELECT
  v.organization_id, --? audit_organization
  v.entity_type, v.entity_id, v.action, v.actor_id, CASE WHEN v.by_person THEN 'user' ELSE 'system' END, v.changes,
  pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s
FROM unnest(
    %(organizations)s::uuid[], %(entity_types)s::text[], %(entity_ids)s::uuid[], %(actions)s::text[],
    %(actor_ids)s::uuid[], %(by_person)s::boolean[], %(changes)s::jsonb[]
  ) AS v (organization_id, entity_type, entity_id, action, actor_id, by_person, changes)
