-- Ask an execution, named by its id or its key: cancel.
SELECT resumer.cancel(
  (SELECT e.id FROM workflow_executions e WHERE e.execution_id = %(key)s OR e.id::text = %(key)s),
  reason => %(reason)s::text, actor => %(actor)s::text) AS request
