DROP TRIGGER IF EXISTS resumer_execution_write ON workflow_executions;
DROP TRIGGER IF EXISTS resumer_execution_update ON workflow_executions;
DROP TRIGGER IF EXISTS resumer_execution_insert ON workflow_executions;
