-- A decision, however it is written, leaves a request in the inbox and at most one notification per statement.
-- `triggers/approval_requests` binds these functions.
-- A trigger must never make another program's statement fail or wait: it looks for work before the guarded block
-- (a subtransaction), turns every error into a WARNING, and gives up on a locked inbox after 100 ms; the
-- reconciler finds what it could not leave. One error is the writer's own, whoever meets it first: a transaction that
-- asked to be serializable and cannot be. If that were hidden, it could commit what it must not.

CREATE OR REPLACE FUNCTION resumer.on_approval_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  foreign_write boolean := current_setting('resumer.own', true) IS DISTINCT FROM 'on';
BEGIN
  IF NOT EXISTS (
    SELECT FROM new_rows n
    WHERE n.status IS DISTINCT FROM 'pending' OR (foreign_write AND n.execution_id IS NOT NULL)) THEN
    RETURN NULL;
  END IF;
  BEGIN
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
    SELECT n.execution_id, CASE n.status WHEN 'pending' THEN 'adopt' ELSE 'approval' END, n.id, n.status,
      CASE WHEN n.status IN ('approved', 'rejected') THEN n.approver_id END
    FROM new_rows n
    WHERE n.status IS DISTINCT FROM 'pending' OR (foreign_write AND n.execution_id IS NOT NULL);
    IF FOUND THEN
      PERFORM pg_notify('resumer_wake', '') FROM resumer.asleep;
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

-- Who decided is part of a decision: one that did not count without a name may count with it.
-- New minus old by EXCEPT, never a join: plpgsql keeps the plan of the session's first call, and a nested loop
-- planned for one row ran beyond 40 s for the 100,000 rows that EXCEPT does in 2.4 s.
CREATE OR REPLACE FUNCTION resumer.on_approval_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  IF NOT EXISTS (SELECT FROM new_rows n WHERE n.status IS DISTINCT FROM 'pending') THEN
    RETURN NULL;
  END IF;
  BEGIN
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
    SELECT changed.execution_id, 'approval', changed.id, changed.status,
      CASE WHEN changed.status IN ('approved', 'rejected') THEN changed.approver_id END
    FROM (
      SELECT n.id, n.execution_id, n.status, n.approver_id FROM new_rows n WHERE n.status IS DISTINCT FROM 'pending'
      EXCEPT
      SELECT o.id, o.execution_id, o.status, o.approver_id FROM old_rows o
    ) AS changed;
    IF FOUND THEN
      PERFORM pg_notify('resumer_wake', '') FROM resumer.asleep;
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

-- An approval that is deleted: what is left of a pause may be decided now; what was applied stays applied.
CREATE OR REPLACE FUNCTION resumer.on_approval_delete() RETURNS trigger
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
CREATE OR REPLACE FUNCTION resumer.on_approval_move() RETURNS trigger
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

REVOKE ALL ON FUNCTION resumer.on_approval_insert(), resumer.on_approval_update(), resumer.on_approval_delete(),
  resumer.on_approval_move() FROM PUBLIC;
