-- Read what the engine needs beside the claimed executions.
-- Run by store/inputs.py.

-- name: read_rules
-- Read rules by id.
SELECT
  r.rule_id,
  r.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  r.rule_type,
  coalesce(r.enabled, true) AS enabled,
  r.definition::text AS definition
FROM rules r
WHERE r.rule_id = ANY (%(rule_ids)s::text[])

-- name: read_context_cache
-- Read the newest unexpired entry of the service's cache for each entity.
SELECT DISTINCT ON (v.execution_id, v.path) v.execution_id, v.path, c.data::text AS data
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(paths)s::text[], %(entities)s::text[], %(keys)s::text[]
  ) AS v (execution_id, organization_id, path, entity, key)
JOIN context_cache c ON c.entity_type = v.entity AND c.entity_id = v.key
  AND c.organization_id = v.organization_id --? organization
WHERE coalesce(c.expires_at > statement_timestamp() AT TIME ZONE %(timezone)s, true)
ORDER BY v.execution_id, v.path, c.cached_at DESC NULLS LAST

-- name: read_last_steps
-- Read the step that each execution ran last: the place of another program's pause that left no pointer.
SELECT DISTINCT ON (s.execution_id) s.execution_id, s.step_id
FROM step_executions s
WHERE s.execution_id = ANY (%(ids)s::uuid[])
ORDER BY s.execution_id, s.started_at DESC NULLS LAST, s.completed_at DESC NULLS LAST
