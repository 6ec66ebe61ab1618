-- A decision, however it is written, leaves a request in the inbox and at most one notification per statement.
-- `triggers/approval_requests` binds these functions.
-- A trigger must never make another program's statement fail or wait. All that it does stands in a guarded block (a
-- subtransaction), and every error in it is a WARNING: a column may be gone, or of a type that does not know a word. It
-- gives up on a locked inbox after 100 ms, and then captures nothing more of this transaction: the reconciler finds what
-- it could not leave. Every function writes its handler out, because a handler that called a function could itself fail.
-- Each looks for work before it locks the inbox. One error is the writer's own, whoever meets it first: a transaction that
-- asked to be serializable and cannot be. If that were hidden, it could commit what it must not.

CREATE OR REPLACE FUNCTION resumer.on_approval_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  foreign_write boolean := current_setting('resumer.own', true) IS DISTINCT FROM 'on';
BEGIN
  IF current_setting('resumer.given_up', true) = 'on' THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF NOT EXISTS (
      SELECT FROM new_rows n
      WHERE n.status::text IS DISTINCT FROM 'pending' OR (foreign_write AND n.execution_id IS NOT NULL)) THEN
      RETURN NULL;
    END IF;
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
    SELECT n.execution_id, CASE n.status::text WHEN 'pending' THEN 'adopt' ELSE 'approval' END, n.id, n.status::text,
      CASE WHEN n.status::text IN ('approved', 'rejected') THEN n.approver_id END
    FROM new_rows n
    WHERE n.status::text IS DISTINCT FROM 'pending' OR (foreign_write AND n.execution_id IS NOT NULL);
    PERFORM pg_notify('resumer_wake', '') FROM resumer.notify_enabled;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    PERFORM set_config('resumer.given_up', CASE SQLSTATE WHEN '55P03' THEN 'on' ELSE '' END, true);
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

-- Who decided is part of a decision: one that did not count without a name may count with it. An approval that is moved
-- to another execution is for the one it leaves as if it were deleted, for the other as if it came; a decision that was
-- applied before counts for neither (claim.read_approvals).
-- New minus old by EXCEPT, never a join: plpgsql keeps the plan of the session's first call, and a nested loop
-- planned for one row ran beyond 40 s for the 100,000 rows that EXCEPT does in 2.4 s.
CREATE OR REPLACE FUNCTION resumer.on_approval_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  -- a request that the daemon closes because nobody waits for it is no decision
  IF 'on' IN (current_setting('resumer.closing', true), current_setting('resumer.given_up', true)) THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF NOT EXISTS (
      SELECT n.id, n.execution_id, n.status::text, n.approver_id FROM new_rows n
      EXCEPT
      SELECT o.id, o.execution_id, o.status::text, o.approver_id FROM old_rows o) THEN
      RETURN NULL;
    END IF;
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
    SELECT changed.execution_id, 'approval', changed.id, changed.status,
      CASE WHEN changed.status IN ('approved', 'rejected') THEN changed.approver_id END
    FROM (
      SELECT n.id, n.execution_id, n.status::text, n.approver_id FROM new_rows n WHERE n.status::text IS DISTINCT FROM 'pending'
      EXCEPT
      SELECT o.id, o.execution_id, o.status::text, o.approver_id FROM old_rows o
    ) AS changed
    UNION ALL
    SELECT gone.execution_id, 'approval', gone.id, 'deleted', NULL
    FROM (
      SELECT o.id, o.execution_id FROM old_rows o WHERE o.execution_id IS NOT NULL
      EXCEPT
      SELECT n.id, n.execution_id FROM new_rows n
    ) AS gone
    WHERE resumer.was_paused(gone.execution_id)
    UNION ALL
    SELECT come.execution_id, 'adopt', come.id, 'pending', NULL
    FROM (
      SELECT n.id, n.execution_id FROM new_rows n WHERE n.execution_id IS NOT NULL AND n.status::text = 'pending'
      EXCEPT
      SELECT o.id, o.execution_id FROM old_rows o
    ) AS come;
    IF FOUND THEN
      PERFORM pg_notify('resumer_wake', '') FROM resumer.notify_enabled;
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    PERFORM set_config('resumer.given_up', CASE SQLSTATE WHEN '55P03' THEN 'on' ELSE '' END, true);
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

-- An approval that is deleted: what is left of a pause may be decided now; what was applied stays applied.
CREATE OR REPLACE FUNCTION resumer.on_approval_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  IF current_setting('resumer.given_up', true) = 'on' THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF NOT EXISTS (SELECT FROM old_rows o WHERE o.execution_id IS NOT NULL) THEN
      RETURN NULL;
    END IF;
    INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision)
    SELECT o.execution_id, 'approval', o.id, 'deleted' FROM old_rows o WHERE resumer.was_paused(o.execution_id);
    IF FOUND THEN
      PERFORM pg_notify('resumer_wake', '') FROM resumer.notify_enabled;
    END IF;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    PERFORM set_config('resumer.given_up', CASE SQLSTATE WHEN '55P03' THEN 'on' ELSE '' END, true);
    RAISE WARNING 'resumer: %, not recorded', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.on_approval_insert(), resumer.on_approval_update(), resumer.on_approval_delete() FROM PUBLIC;
