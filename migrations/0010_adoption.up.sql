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

-- Whether an execution with this status is ours: we run it, it stands at a pause that we have recorded, or it has ended
-- after we began, paused or cancelled it. One row by index in each case.
CREATE FUNCTION resumer.is_ours(execution uuid, status text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
SET enable_seqscan = 'off' -- a plan that was made while the tables were small would be kept
AS $f$
BEGIN
  CASE status
    WHEN 'running' THEN
      RETURN EXISTS (SELECT FROM resumer.leases l WHERE l.execution_id = execution AND l.lease_until IS NOT NULL);
    WHEN 'paused' THEN
      RETURN EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = execution AND p.resumed_at IS NULL);
    WHEN 'completed', 'failed', 'cancelled' THEN
      RETURN EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = execution)
        OR EXISTS (
          SELECT FROM resumer.resume_requests r
          WHERE r.execution_id = execution AND r.kind IN ('start', 'cancel') AND r.outcome = 'applied');
    ELSE
      RETURN false;
  END CASE;
END
$f$;

-- Before: keep what is ours, and shorten the gap in which a pause can be seen as an end. Where a lock keeps the trigger
-- from looking whether the row is ours, the write passes, and its `adopt` request has the row as it was: the daemon looks,
-- and undoes the write (sql/undo_writes.sql). Where that request cannot be written either, a row that was paused, or that
-- we have resumed, stays as it was.
CREATE FUNCTION resumer.on_execution_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
SET enable_seqscan = 'off' -- a plan that was made while the tables were small would be kept
AS $f$
DECLARE
  refused boolean;
  pauses boolean := false;
BEGIN
  BEGIN
    refused := resumer.is_ours(old.id, old.status);
    IF NOT refused AND new.status = 'completed' AND new.result = 'blocked'
      AND (old.status, old.result) IS DISTINCT FROM (new.status, new.result) THEN
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
    IF NOT refused THEN
      RETURN new;
    END IF;
  END;
  IF refused IS FALSE THEN
    RETURN new;
  ELSIF refused THEN
    RAISE WARNING 'resumer: execution % is %: a write of % was refused', resumer.printable(old.execution_id), old.status,
      resumer.printable(new.status)
      USING HINT = 'who must: SET LOCAL resumer.own = ''on''; to end it: status = ''cancelled''';
  END IF;
  BEGIN -- to be counted, or to be looked at
    INSERT INTO resumer.resume_requests (execution_id, kind, decision, actor, reason, payload)
    VALUES (old.id, 'adopt', CASE WHEN refused THEN 'refused' ELSE 'unchecked' END, session_user,
      format('wrote %s over %s', concat_ws('/', new.status, new.result), concat_ws('/', old.status, old.result)),
      CASE WHEN refused THEN NULL ELSE to_jsonb(old) END);
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, not counted', SQLERRM USING ERRCODE = SQLSTATE;
    refused := coalesce(refused, old.status = 'paused' OR old.resume_count > 0);
  END;
  IF refused THEN
    RETURN old; -- all of it: who writes a whole row blindly has nothing new in it
  END IF;
  RETURN new;
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

-- An approval that is moved to another execution: for the one it leaves it is as if it were deleted, for the other as if it
-- came. A decision that was applied before counts for neither (sql/read_approvals.sql).
CREATE FUNCTION resumer.on_approval_move() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
SET enable_seqscan = 'off'
AS $f$
BEGIN
  BEGIN
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision)
    SELECT old.execution_id, 'approval', old.id, 'deleted'
    WHERE EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = old.execution_id)
    UNION ALL
    SELECT new.execution_id, 'adopt', new.id, 'pending' WHERE new.execution_id IS NOT NULL AND new.status = 'pending';
    PERFORM resumer.wake();
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.is_ours(uuid, text), resumer.on_approval_move(), resumer.on_execution_seen(), resumer.on_execution_write(), resumer.on_approval_delete() FROM PUBLIC;

CREATE TRIGGER resumer_approval_delete AFTER DELETE ON approval_requests
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_delete();

CREATE TRIGGER resumer_approval_move AFTER UPDATE OF execution_id ON approval_requests FOR EACH ROW
  WHEN (new.execution_id IS DISTINCT FROM old.execution_id)
  EXECUTE FUNCTION resumer.on_approval_move();

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
