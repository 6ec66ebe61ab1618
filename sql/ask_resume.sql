-- Ask an execution, named by its id or its key: resume.
SELECT resumer.resume(
  (SELECT e.id FROM workflow_executions e WHERE e.execution_id = %(key)s OR e.id::text = %(key)s),
  data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text, force => %(force)s) AS request
