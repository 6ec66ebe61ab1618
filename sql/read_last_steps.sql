-- The step that each execution ran last: where a pause of another program stands that left no pointer.
SELECT DISTINCT ON (s.execution_id) s.execution_id, s.step_id
FROM step_executions s
WHERE s.execution_id = ANY (%(ids)s::uuid[])
ORDER BY s.execution_id, s.started_at DESC NULLS LAST, s.completed_at DESC NULLS LAST
