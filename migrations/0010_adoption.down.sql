DROP TRIGGER resumer_execution_write ON workflow_executions;
DROP TRIGGER resumer_execution_rewrite ON workflow_executions;
DROP TRIGGER resumer_execution_update ON workflow_executions;
DROP TRIGGER resumer_execution_insert ON workflow_executions;
DROP TRIGGER resumer_approval_delete ON approval_requests;
DROP TRIGGER resumer_approval_move ON approval_requests;
DROP FUNCTION resumer.on_execution_write(), resumer.on_execution_seen(), resumer.on_approval_delete(),
  resumer.on_approval_move(), resumer.is_ours(uuid, text);
