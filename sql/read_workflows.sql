-- The definitions of the workflows that begin, as they are now.
SELECT
  w.id,
  w.workflow_id,
  coalesce(w.enabled, true) AS enabled,
  w.definition::text AS definition,
  encode(sha256(convert_to(w.definition::text, 'UTF8')), 'hex') AS sha256
FROM workflows w
WHERE w.id = ANY (%(ids)s::uuid[])
