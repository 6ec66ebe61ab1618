-- A decision, however it is written, leaves a request in the inbox and at most one notification per statement.
-- A trigger must never make another program's statement fail or wait: it looks for work before the guarded block
-- (a subtransaction), turns every error into a WARNING, and gives up on a locked inbox after 100 ms; the
-- reconciler finds what it could not leave. One error is the writer's own, whoever meets it first: a transaction that
-- asked to be serializable and cannot be. If that were hidden, it could commit what it must not.

-- The wake-up call: constant, so any number of them in one transaction is one notification. `auto` is silent where
-- two-phase commit is in use, for a transaction that has notified cannot be prepared.
CREATE VIEW resumer.asleep AS
SELECT FROM resumer.control c
-- a snapshot that is older than this statement may read "awake" long after: it notifies in any case
WHERE (c.awake_until <= clock_timestamp() OR current_setting('transaction_isolation') <> 'read committed')
  AND (c.notify = 'on' OR (c.notify = 'auto' AND current_setting('max_prepared_transactions') = '0'));

CREATE FUNCTION resumer.wake() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT pg_notify('resumer_wake', '') FROM resumer.asleep $f$;

CREATE FUNCTION resumer.on_approval_insert() RETURNS trigger
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
CREATE FUNCTION resumer.on_approval_update() RETURNS trigger
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

REVOKE ALL ON FUNCTION resumer.wake(), resumer.on_approval_insert(), resumer.on_approval_update() FROM PUBLIC;

CREATE TRIGGER resumer_approval_insert AFTER INSERT ON approval_requests
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION resumer.on_approval_insert();
CREATE TRIGGER resumer_approval_update AFTER UPDATE ON approval_requests
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT
  -- a request that the daemon closes because nobody waits for it is no decision
  WHEN (current_setting('resumer.closing', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION resumer.on_approval_update();
