-- Why one execution does not move, and what would move it, where the caller reaches it.
SELECT resumer.explain(e.id)::text AS document
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
