-- Leave a request for an execution that the caller reaches: pause.
SELECT resumer.pause(e.id, reason => %(reason)s::text, actor => %(actor)s::text) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
