-- Our triggers on `workflow_executions`. CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table: readers go on, writers wait.

-- A change of status, result or key. Of what we run, `failed` and `cancelled` pass; of all else of ours, `cancelled`.
CREATE TRIGGER resumer_execution_write BEFORE UPDATE ON workflow_executions FOR EACH ROW
  WHEN ((new.status, new.result, new.id) IS DISTINCT FROM (old.status, old.result, old.id)
    AND (new.status IS DISTINCT FROM 'cancelled' OR new.id <> old.id)
    AND (old.status IN ('paused', 'completed', 'failed', 'cancelled') OR new.status = 'completed'
      OR (old.status = 'running' AND (new.status IS DISTINCT FROM 'failed' OR new.id <> old.id)))
    AND current_setting('resumer.own', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION resumer.on_execution_write();

-- An old copy that changes neither is told by what nobody but us writes: the times and the count of pauses and ends, and
-- the documents of what we run. A column list, for a write that names none of these shall not compare documents.
CREATE TRIGGER resumer_execution_rewrite
  BEFORE UPDATE OF context, resume_data, completed_at, paused_at, resume_count, last_resumed_at
  ON workflow_executions FOR EACH ROW
  WHEN ((new.status, new.result, new.id) IS NOT DISTINCT FROM (old.status, old.result, old.id)
    AND old.status IN ('running', 'paused', 'completed', 'failed', 'cancelled')
    AND current_setting('resumer.own', true) IS DISTINCT FROM 'on'
    AND (new.completed_at IS DISTINCT FROM old.completed_at
      OR (old.paused_at IS NOT NULL AND new.paused_at IS DISTINCT FROM old.paused_at)
      OR new.resume_count IS DISTINCT FROM old.resume_count
      OR new.last_resumed_at IS DISTINCT FROM old.last_resumed_at
      OR (old.status = 'running'
        AND (new.resume_data IS DISTINCT FROM old.resume_data OR new.context IS DISTINCT FROM old.context))))
  EXECUTE FUNCTION resumer.on_execution_write();

CREATE TRIGGER resumer_execution_update AFTER UPDATE ON workflow_executions FOR EACH ROW
  WHEN (((new.status, new.result) IS DISTINCT FROM (old.status, old.result)
      AND ('paused' IN (old.status, new.status) OR (new.status = 'completed' AND new.result = 'blocked'))
      OR new.status = 'paused' AND new.resume_data -> 'approved' IS DISTINCT FROM old.resume_data -> 'approved')
    AND current_setting('resumer.own', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION resumer.on_execution_seen();

CREATE TRIGGER resumer_execution_insert AFTER INSERT ON workflow_executions FOR EACH ROW
  WHEN ((new.status = 'paused' OR (new.status = 'completed' AND new.result = 'blocked'))
    AND current_setting('resumer.own', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION resumer.on_execution_seen();

COMMENT ON TRIGGER resumer_execution_write ON workflow_executions IS 'Of resumer-daemon: refuses writes over a pause or an end of the daemon; makes a blocked end a pause.';
COMMENT ON TRIGGER resumer_execution_rewrite ON workflow_executions IS 'Of resumer-daemon: refuses old copies of a row that the daemon has written.';
COMMENT ON TRIGGER resumer_execution_update ON workflow_executions IS 'Of resumer-daemon: leaves a request where another program pauses, resumes or blocks an execution.';
COMMENT ON TRIGGER resumer_execution_insert ON workflow_executions IS 'Of resumer-daemon: leaves a request for an execution that is inserted as paused or blocked.';
