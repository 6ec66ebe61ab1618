-- Paused executions and open pause records: when they differ, another program has paused something.
SELECT (SELECT count(*) FROM workflow_executions WHERE status = 'paused') AS executions,
  (SELECT count(*) FROM resumer.pauses WHERE resumed_at IS NULL) AS records
