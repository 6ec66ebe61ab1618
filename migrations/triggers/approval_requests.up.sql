-- Our triggers on `approval_requests`. CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table: readers go on, writers wait.
-- The guard is disabled until RESUMER_DECISION_GUARD is `enforce`, which takes the same lock.

CREATE TRIGGER resumer_approval_insert AFTER INSERT ON approval_requests
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_insert();

CREATE TRIGGER resumer_approval_update AFTER UPDATE ON approval_requests
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT
  -- a request that the daemon closes because nobody waits for it is no decision
  WHEN (current_setting('resumer.closing', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION resumer.on_approval_update();

CREATE TRIGGER resumer_approval_delete AFTER DELETE ON approval_requests
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_delete();

CREATE TRIGGER resumer_approval_move AFTER UPDATE OF execution_id ON approval_requests FOR EACH ROW
  WHEN (new.execution_id IS DISTINCT FROM old.execution_id)
  EXECUTE FUNCTION resumer.on_approval_move();

CREATE TRIGGER resumer_approval_guard BEFORE INSERT OR UPDATE ON approval_requests FOR EACH ROW
  WHEN (new.status = 'approved') EXECUTE FUNCTION resumer.on_approval_guard();
ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_guard;
