-- What other programs write of executions. Today's service ends an execution as `completed` and `blocked` where it should
-- pause, and creates the approval in another transaction, before or after. Each side leaves an `adopt` request, which the
-- daemon sees only after the commit, and decides under the execution's lock. Its blind whole-row writes undo no pause and
-- no end of ours. As all triggers: for rows that decide nothing there is only the WHEN, any error is a WARNING, a locked
-- table costs 100 ms. Names are written out, for whoever may create in the service's schema shall not be called by us.
-- `triggers/workflow_executions` binds these functions.

-- After: an execution became paused, or is paused no more, or ended as blocked, or the word on its pause was written:
-- somebody has to look.
CREATE OR REPLACE FUNCTION resumer.on_execution_seen() RETURNS trigger
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
CREATE OR REPLACE FUNCTION resumer.is_ours(execution uuid, status text) RETURNS boolean
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
          SELECT FROM resumer.settled_requests r
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
CREATE OR REPLACE FUNCTION resumer.on_execution_write() RETURNS trigger
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
        AND NOT EXISTS (SELECT FROM resumer.requests r WHERE r.execution_id = old.id AND r.kind = 'start');
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

REVOKE ALL ON FUNCTION resumer.on_execution_seen(), resumer.is_ours(uuid, text),
  resumer.on_execution_write() FROM PUBLIC;
