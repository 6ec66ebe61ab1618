-- What other programs write of executions. Today's service ends an execution as `completed` and `blocked` where it should
-- pause, and creates the approval in another transaction, before or after. Each side leaves an `adopt` request, which the
-- daemon sees only after the commit, and decides under the execution's lock. Its blind whole-row writes undo no pause and
-- no end of ours. As all triggers: for rows that decide nothing there is only the WHEN, any error is a WARNING, a locked
-- table costs 100 ms. Names are written out, for whoever may create in the service's schema shall not be called by us.

-- After: an execution became paused, or is paused no more, or ended as blocked, or the word on its pause was written:
-- somebody has to look.
CREATE FUNCTION resumer.on_execution_seen() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  said boolean := false;
BEGIN
  BEGIN
    IF new.status = 'paused' THEN -- a word of an earlier pause, left in the column, is none on this one
      said := new.resume_data ? 'approved' AND (TG_OP = 'INSERT'
        OR new.resume_data -> 'approved' IS DISTINCT FROM old.resume_data -> 'approved');
    END IF;
    INSERT INTO resumer.resume_requests (execution_id, kind, decision)
    VALUES (new.id, 'adopt', CASE WHEN said THEN 'said' END);
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

-- Before: keep what is ours, and shorten the gap in which a pause can be seen as an end.
CREATE FUNCTION resumer.on_execution_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
SET enable_seqscan = 'off' -- a plan that was made while the tables were small would be kept
AS $f$
DECLARE
  refused boolean;
  pauses boolean := false;
BEGIN
  BEGIN
    CASE old.status
      WHEN 'running' THEN
        refused := new.status = 'completed' AND EXISTS (
          SELECT FROM resumer.leases l WHERE l.execution_id = old.id AND l.lease_until IS NOT NULL);
      WHEN 'paused' THEN
        refused := EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = old.id AND p.resumed_at IS NULL);
      WHEN 'completed', 'failed', 'cancelled' THEN
        refused := EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = old.id);
      ELSE
        refused := false;
    END CASE;
    IF NOT refused AND new.status = 'completed' AND new.result = 'blocked' THEN
      -- not where reading what other writers write would make one of them fail
      pauses := current_setting('transaction_isolation') <> 'serializable'
        AND EXISTS (SELECT FROM resumer.control c WHERE c.adopt_blocked)
        AND EXISTS (SELECT FROM service_schema.approval_requests a WHERE a.execution_id = old.id)
        AND NOT EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = old.id)
        AND NOT EXISTS (SELECT FROM resumer.resume_requests r WHERE r.execution_id = old.id AND r.kind = 'start');
    END IF;
    IF pauses THEN
      new.status := 'paused';
      new.result := NULL;
      new.completed_at := NULL;
      new.duration_ms := NULL;
      new.paused_at := resumer.service_now();
      new.paused_reason := 'approval_required';
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
    RETURN new;
  END;
  IF NOT refused THEN
    RETURN new;
  END IF;
  RAISE WARNING 'resumer: execution % is %: a write of % was refused', resumer.printable(old.execution_id), old.status,
    resumer.printable(new.status)
    USING HINT = 'who must: SET LOCAL resumer.own = ''on''; to end it: status = ''cancelled''';
  BEGIN -- to be counted
    INSERT INTO resumer.resume_requests (execution_id, kind, decision, actor, reason)
    VALUES (old.id, 'adopt', 'refused', session_user,
      format('wrote %s over %s', concat_ws('/', new.status, new.result), concat_ws('/', old.status, old.result)));
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, not counted', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN old; -- all of it: who writes a whole row blindly has nothing new in it
END
$f$;

-- An approval that is deleted: what is left of a pause may be decided now; what was applied stays applied.
CREATE FUNCTION resumer.on_approval_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
SET enable_seqscan = 'off'
AS $f$
BEGIN
  IF NOT EXISTS (SELECT FROM old_rows o WHERE o.execution_id IS NOT NULL) THEN
    RETURN NULL;
  END IF;
  BEGIN
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision)
    SELECT o.execution_id, 'approval', o.id, 'deleted' FROM old_rows o
    WHERE EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = o.execution_id);
    IF FOUND THEN
      PERFORM resumer.wake();
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, not recorded', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_execution_seen(), resumer.on_execution_write(), resumer.on_approval_delete() FROM PUBLIC;

CREATE TRIGGER resumer_approval_delete AFTER DELETE ON approval_requests
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_delete();

CREATE TRIGGER resumer_execution_write BEFORE UPDATE ON workflow_executions FOR EACH ROW
  WHEN ((new.status, new.result) IS DISTINCT FROM (old.status, old.result) AND new.status <> 'cancelled'
    AND (old.status IN ('paused', 'completed', 'failed', 'cancelled') OR new.status = 'completed')
    AND current_setting('resumer.own', true) IS DISTINCT FROM 'on')
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
