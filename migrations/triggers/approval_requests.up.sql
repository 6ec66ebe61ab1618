-- Triggers on `approval_requests`: they capture decisions and, if enabled, reject approvals that must not count.
--
-- No trigger names a column, because the service could not change the type of a column that a WHEN or a column list names.
-- The guard is disabled until RESUMER_DECISION_GUARD is `enforce`.
-- Locks: CREATE TRIGGER takes SHARE ROW EXCLUSIVE on the table: readers continue, writers wait. Enabling the guard does too.

CREATE TRIGGER resumer_approval_insert AFTER INSERT ON approval_requests
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_insert();

CREATE TRIGGER resumer_approval_update AFTER UPDATE ON approval_requests
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_update();

CREATE TRIGGER resumer_approval_delete AFTER DELETE ON approval_requests
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_delete();

CREATE TRIGGER resumer_approval_guard BEFORE INSERT OR UPDATE ON approval_requests
  FOR EACH ROW EXECUTE FUNCTION resumer.on_approval_guard();
ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_guard;

COMMENT ON TRIGGER resumer_approval_insert ON approval_requests IS 'Of resumer-daemon: leaves a request for each approval request that others insert or that is decided.';
COMMENT ON TRIGGER resumer_approval_update ON approval_requests IS 'Of resumer-daemon: leaves a request for each decision, and for each approval request that moves to another execution.';
COMMENT ON TRIGGER resumer_approval_delete ON approval_requests IS 'Of resumer-daemon: leaves a request for each approval request of a pause that is deleted.';
COMMENT ON TRIGGER resumer_approval_guard ON approval_requests IS 'Of resumer-daemon: refuses approvals that must not count. Disabled unless RESUMER_DECISION_GUARD is enforce.';
