-- Trigger functions that capture decisions: each decision inserts a request, with at most one notification per statement.
--
-- `triggers/approval_requests` calls them. A trigger must never make another program's statement fail or wait. Its work is
-- in a guarded block (a subtransaction), and every error in it becomes a WARNING, because a column may be missing or have a type
-- that does not accept a value. The one exception is a serialization failure, which belongs to the writer: if it were hidden,
-- the transaction could commit what it must not.
-- Each function contains its own handler, because a handler that called a function could itself fail.
-- Locks: each function checks for work before it locks the queue. It gives up on a locked queue after 100 ms, and captures
-- nothing more of that transaction. The reconciler finds what it missed.

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

-- The approver is part of a decision: one that did not count without an approver may count with one. An approval that moves to
-- another execution counts as deleted for the first and as inserted for the second. A decision that was applied before counts for
-- neither (claim.read_approvals).
-- New rows minus old rows by EXCEPT, never by a join: plpgsql keeps the plan of the session's first call. A nested loop that was
-- planned for one row took more than 40 s for the 100,000 rows that EXCEPT processes in 2.4 s.
CREATE OR REPLACE FUNCTION resumer.on_approval_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  -- an approval that the daemon closes because nothing waits for it is not a decision
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

-- If an approval is deleted, the rest of its pause may be decided now. An applied decision stays applied.
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
