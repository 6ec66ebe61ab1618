-- Triggers on `workflow_executions`: they capture what other programs write, and protect what the daemon has written.
--
-- No trigger names a column, because the service could not change the type of a column that a WHEN or a column list names. A WHEN
-- also costs more than the function, because each statement parses it again.
-- Locks: CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table: readers continue, writers wait.

CREATE TRIGGER resumer_execution_write BEFORE UPDATE ON workflow_executions
  FOR EACH ROW EXECUTE FUNCTION resumer.protect_execution();

CREATE TRIGGER resumer_execution_update AFTER UPDATE ON workflow_executions
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_execution_update();

CREATE TRIGGER resumer_execution_insert AFTER INSERT ON workflow_executions
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_execution_insert();

COMMENT ON TRIGGER resumer_execution_write ON workflow_executions IS 'Of resumer-daemon: refuses writes over a pause, a run or an end of the daemon; makes a blocked end a pause.';
COMMENT ON TRIGGER resumer_execution_update ON workflow_executions IS 'Of resumer-daemon: leaves a request where another program pauses, resumes or blocks an execution, or its write was rejected.';
COMMENT ON TRIGGER resumer_execution_insert ON workflow_executions IS 'Of resumer-daemon: leaves a request for an execution that is inserted as paused or blocked.';
