-- Where the executions of a workflow are paused, those at the same place together. `kept`: the copy of the definition
-- that they go on with is there; another program's pause has none, and stands at its pointer or at its last step.
SELECT
  paused.version,
  paused.reason,
  paused.step_id,
  paused.ways,
  paused.kept,
  min(paused.paused_at) AS since,
  array_agg(paused.execution_id ORDER BY paused.paused_at, paused.execution_id) AS executions
FROM (
  SELECT
    e.execution_id,
    w.version,
    CASE WHEN p.number IS NULL THEN 'approval_required' ELSE coalesce(p.incident ->> 'reason', p.reason) END AS reason,
    CASE WHEN p.number IS NULL THEN coalesce(
      e.paused_step_id, --? pointers
      (SELECT s.step_id FROM step_executions s WHERE s.execution_id = e.id
       ORDER BY s.started_at DESC NULLS LAST, s.completed_at DESC NULLS LAST LIMIT 1)) ELSE p.step_id END AS step_id,
    coalesce(p.ways, '{}')::text AS ways,
    EXISTS (SELECT FROM resumer.definitions d WHERE d.sha256 = p.definition) AS kept,
    coalesce(p.paused_at, e.paused_at AT TIME ZONE %(timezone)s) AS paused_at
  FROM workflow_executions e
  JOIN workflows w ON w.id = e.workflow_id
  LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
  WHERE w.workflow_id = %(workflow)s AND e.status = 'paused') AS paused
GROUP BY paused.version, paused.reason, paused.step_id, paused.ways, paused.kept
ORDER BY since, paused.step_id
