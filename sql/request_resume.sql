-- Leave a request for an execution that the caller reaches: resume.
SELECT resumer.resume(e.id, data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
