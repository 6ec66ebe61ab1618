-- One execution as it stands, where the caller reaches it.
SELECT resumer.status(e.id)::text AS document
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
