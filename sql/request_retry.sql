-- Leave a request for an execution that the caller reaches: retry.
SELECT resumer.retry(e.id, reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization
