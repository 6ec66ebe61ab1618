-- Rules as they are now, by id.
SELECT
  r.rule_id,
  r.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  r.rule_type,
  coalesce(r.enabled, true) AS enabled,
  r.definition::text AS definition
FROM rules r
WHERE r.rule_id = ANY (%(rule_ids)s::text[])
