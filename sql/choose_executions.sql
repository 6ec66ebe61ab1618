-- Executions that a bulk move is about: of these keys, or those that stand so. What runs counts as long as a daemon runs it.
SELECT e.execution_id, w.workflow_id AS workflow, e.status, p.reason AS paused_for, p.step_id AS paused_at_step, p.paused_at,
  p.number AS pause_number
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
LEFT JOIN workflows w ON w.id = e.workflow_id
WHERE e.status IN ('pending', 'running', 'paused')
  AND e.status = ANY (%(statuses)s::text[])
  AND (%(workflow)s::text IS NULL OR w.workflow_id = %(workflow)s)
  AND (%(reason)s::text IS NULL OR p.reason = %(reason)s)
  AND (%(seconds)s::float8 IS NULL OR p.paused_at < clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY p.paused_at, e.execution_id
