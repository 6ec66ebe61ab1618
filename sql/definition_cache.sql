-- Read the definitions that executions run on.
-- Run by store/definition_cache.py.

-- name: read_definitions
-- Read the copies of definitions that paused executions run on.
SELECT d.sha256, d.body::text AS definition FROM resumer.definitions d WHERE d.sha256 = ANY (%(hashes)s::text[])

-- name: read_workflows
-- Read the current definitions of workflows whose executions begin.
SELECT
  w.id,
  w.workflow_id,
  coalesce(w.enabled, true) AS enabled,
  w.definition::text AS definition,
  encode(sha256(convert_to(w.definition::text, 'UTF8')), 'hex') AS sha256
FROM workflows w
WHERE w.id = ANY (%(ids)s::uuid[])
