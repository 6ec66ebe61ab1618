-- What the service has cached of entities, if it has not expired; the newest of each.
SELECT DISTINCT ON (v.execution_id, v.path) v.execution_id, v.path, c.data::text AS data
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(paths)s::text[], %(entities)s::text[], %(keys)s::text[]
  ) AS v (execution_id, organization_id, path, entity, key)
JOIN context_cache c ON c.entity_type = v.entity AND c.entity_id = v.key
  AND c.organization_id = v.organization_id --? organization
WHERE coalesce(c.expires_at > statement_timestamp() AT TIME ZONE %(timezone)s, true)
ORDER BY v.execution_id, v.path, c.cached_at DESC NULLS LAST
