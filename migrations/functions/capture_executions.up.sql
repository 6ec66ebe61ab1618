-- Trigger functions that capture and reject writes by other programs to executions.
--
-- `triggers/workflow_executions` calls them. The service ends an execution as `completed` and `blocked` instead of pausing it, and
-- inserts the approval in another transaction, before or after. Each of the two inserts an `adopt` request. The daemon reads it
-- after the commit and decides under the execution's lock. The service's whole-row updates cannot undo a pause or an end that
-- the daemon has written.
--
-- The row trigger `protect_execution` checks each updated row, keeps what the daemon owns, and notes in a setting of the
-- transaction that the statement has rows to capture. The statement trigger inserts the requests of all of them at once.
--
-- Settings of the writer's transaction: `resumer.look` (on: some row must be captured), `resumer.refused` (what was written
-- over a row that the daemon owns), `resumer.unchecked` (the daemon's tables cannot be read; `noted`: the queue takes requests,
-- `lost`: it does not) and `resumer.given_up` (on: nothing more of this transaction is captured).
-- `resumer.look` stays on, because a statement inside another one would turn it off for both.
-- Locks: as with all triggers, an error becomes a WARNING, and a locked queue costs a transaction 100 ms once.

-- Return whether the daemon owns an execution with this status: it runs it, has recorded its pause, or has started, paused or
-- cancelled it before it ended. Each case reads one row by index. No other plan is allowed, because a plan that was made while
-- the tables were small would be kept. `jit` is off because the planner adds 1e10 to the cost of a plan that is not allowed.
-- Every operator is qualified with its schema. Setting a search path would take longer than the rest of the function.
CREATE OR REPLACE FUNCTION resumer.is_ours(execution uuid, status text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET lock_timeout = '100ms' SET enable_seqscan = 'off' SET jit = 'off'
AS $f$
BEGIN
  IF status OPERATOR(pg_catalog.=) 'running' THEN
    RETURN EXISTS (
      SELECT FROM resumer.leases l WHERE l.execution_id OPERATOR(pg_catalog.=) execution AND l.lease_until IS NOT NULL);
  ELSIF status OPERATOR(pg_catalog.=) 'paused' THEN
    RETURN EXISTS (
      SELECT FROM resumer.pauses p WHERE p.execution_id OPERATOR(pg_catalog.=) execution AND p.resumed_at IS NULL);
  ELSIF status OPERATOR(pg_catalog.=) ANY (ARRAY['completed', 'failed', 'cancelled']) THEN
    RETURN EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id OPERATOR(pg_catalog.=) execution)
      OR EXISTS (
        SELECT FROM resumer.settled_requests r
        WHERE r.execution_id OPERATOR(pg_catalog.=) execution AND r.outcome::pg_catalog.text OPERATOR(pg_catalog.=) 'applied'
          AND r.kind::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['start', 'cancel']));
  END IF;
  RETURN false;
END
$f$;

-- Return whether the daemon ever paused an execution or adopted its pause.
CREATE OR REPLACE FUNCTION resumer.was_paused(execution uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
SET enable_seqscan = 'off' SET jit = 'off' -- as above
AS $f$
BEGIN
  RETURN EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = execution);
END
$f$;

-- Return whether an execution that another program ends as blocked becomes a pause at once: it has a visible approval, and the
-- daemon has no record of the execution. This shortens the time in which readers see the end.
CREATE OR REPLACE FUNCTION resumer.pauses_at_once(execution uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
SET enable_seqscan = 'off' SET jit = 'off' -- as above
AS $f$
BEGIN
  -- not if reading what other writers write could make one of them fail
  RETURN current_setting('transaction_isolation') <> 'serializable'
    AND EXISTS (SELECT FROM resumer.control c WHERE c.singleton AND c.adopt_blocked)
    AND EXISTS (SELECT FROM service_schema.approval_requests a WHERE a.execution_id = execution)
    AND NOT EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = execution)
    AND NOT EXISTS (SELECT FROM resumer.requests r WHERE r.execution_id = execution AND r.kind = 'start');
END
$f$;

-- Return whether the guard rejects such a write to a row that the daemon owns. `same`: status, result and id do not change.
-- `same_id`: the id does not change. `same_rest`: the columns that only a daemon writes do not change. `cancelled` passes always,
-- `failed` only while the daemon runs the execution. The function has no SET, so that it is inlined, and therefore qualifies every
-- operator with its schema.
CREATE OR REPLACE FUNCTION resumer.is_guarded(was text, becomes text, same boolean, same_id boolean, same_rest boolean)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $f$
  SELECT CASE
    WHEN same THEN
      NOT same_rest AND was OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'paused', 'completed', 'failed', 'cancelled'])
    WHEN same_id AND becomes OPERATOR(pg_catalog.=) 'cancelled' THEN false
    WHEN was OPERATOR(pg_catalog.=) 'running' THEN NOT same_id OR becomes OPERATOR(pg_catalog.<>) 'failed'
    ELSE was OPERATOR(pg_catalog.=) ANY (ARRAY['paused', 'completed', 'failed', 'cancelled'])
      OR becomes OPERATOR(pg_catalog.=) 'completed' END
$f$;

-- Lock the inbox as an INSERT does.
CREATE OR REPLACE FUNCTION resumer.lock_inbox() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  LOCK TABLE resumer.resume_requests IN ROW EXCLUSIVE MODE;
END
$f$;

-- Check an update of a row. It runs for every row that any program updates. Therefore the first test is one short expression that
-- reads no table, there is no SET, and every operator is qualified with its schema. The trigger names no column, so that the
-- service may change them. Rows are compared by their bytes (`*=`), which works for every type. If a lock prevents the check of the
-- owner, the write passes and the `adopt` request contains the old row: the daemon checks it and undoes the write
-- (record.revert_foreign_writes). If that request cannot be written either, a row that was paused, or that the daemon has resumed,
-- stays unchanged.
CREATE OR REPLACE FUNCTION resumer.protect_execution() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $f$
DECLARE -- without values: each would add an expression for every row
  was pg_catalog.text;
  becomes pg_catalog.text;
  written pg_catalog.text;
  same pg_catalog.bool;
  same_rest pg_catalog.bool;
  compares pg_catalog.bool; -- compare the documents, which may be large: a daemon holds the lease
  looks pg_catalog.bool;
  guarded pg_catalog.bool;
  refused pg_catalog.bool;
  unchecked pg_catalog.text;
  refusal pg_catalog.text;
  paused record;
  tries pg_catalog.int4;
BEGIN
  LOOP
    BEGIN
      IF ROW(old.id, old.status, old.result, old.completed_at, old.paused_at, old.resume_count, old.last_resumed_at)::pg_catalog.record
        OPERATOR(pg_catalog.*=)
        ROW(new.id, new.status, new.result, new.completed_at, new.paused_at, new.resume_count, new.last_resumed_at)::pg_catalog.record
        AND (CASE
          WHEN old.status::pg_catalog.text OPERATOR(pg_catalog.=) 'running' THEN
            GREATEST(pg_catalog.pg_column_size(old.context), pg_catalog.pg_column_size(old.resume_data)) OPERATOR(pg_catalog.<) 2000
            AND ROW(old.context, old.resume_data)::pg_catalog.record OPERATOR(pg_catalog.*=)
              ROW(new.context, new.resume_data)::pg_catalog.record
          WHEN old.status::pg_catalog.text OPERATOR(pg_catalog.=) 'paused' THEN
            old.resume_data IS NULL AND new.resume_data IS NULL
          ELSE true END) THEN
        RETURN new;
      ELSIF pg_catalog.current_setting('resumer.own', true) OPERATOR(pg_catalog.=) 'on' THEN
        RETURN new;
      END IF;
      was := old.status;
      becomes := new.status;
      same := ROW(old.id, was, old.result)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(new.id, becomes, new.result)::pg_catalog.record;
      IF same THEN
        same_rest := ROW(old.completed_at, old.resume_count, old.last_resumed_at)::pg_catalog.record OPERATOR(pg_catalog.*=)
            ROW(new.completed_at, new.resume_count, new.last_resumed_at)::pg_catalog.record
          AND (old.paused_at IS NULL
            OR ROW(old.paused_at)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(new.paused_at)::pg_catalog.record);
        compares := same_rest AND was OPERATOR(pg_catalog.=) 'running';
        looks := was OPERATOR(pg_catalog.=) 'paused'
          AND ROW(old.resume_data OPERATOR(pg_catalog.->) 'approved')::pg_catalog.record OPERATOR(pg_catalog.*<>)
            ROW(new.resume_data OPERATOR(pg_catalog.->) 'approved')::pg_catalog.record;
      ELSE
        looks := was OPERATOR(pg_catalog.=) 'paused' OR becomes OPERATOR(pg_catalog.=) 'paused'
          OR (becomes OPERATOR(pg_catalog.=) 'completed' AND new.result::pg_catalog.text OPERATOR(pg_catalog.=) 'blocked');
      END IF;
      guarded := resumer.is_guarded(was, becomes, same, new.id OPERATOR(pg_catalog.=) old.id,
        same_rest AND compares IS NOT TRUE);
      IF guarded THEN
        unchecked := pg_catalog.current_setting('resumer.unchecked', true);
        IF unchecked OPERATOR(pg_catalog.<>) '' THEN
          looks := true;
          refused := unchecked OPERATOR(pg_catalog.=) 'lost'
            AND (was OPERATOR(pg_catalog.=) 'paused' OR old.resume_count OPERATOR(pg_catalog.>) 0);
        ELSE
          refused := resumer.is_ours(old.id, was);
        END IF;
      END IF;
      IF refused THEN
        IF compares AND ROW(old.context, old.resume_data)::pg_catalog.record OPERATOR(pg_catalog.*=)
            ROW(new.context, new.resume_data)::pg_catalog.record THEN
          RETURN new;
        END IF;
        looks := true;
        written := pg_catalog.concat_ws('/', becomes, new.result);
        refusal := pg_catalog.format('execution %s is %s: a write of %s was rejected',
          resumer.printable(old.execution_id), was, resumer.printable(written));
      ELSIF same IS NOT TRUE AND coalesce(unchecked, '') OPERATOR(pg_catalog.=) ''
        AND becomes OPERATOR(pg_catalog.=) 'completed' AND new.result::pg_catalog.text OPERATOR(pg_catalog.=) 'blocked'
        AND resumer.pauses_at_once(old.id) THEN
        paused := new; -- so that `new` is unchanged if an assignment fails
        paused.status := 'paused';
        paused.result := NULL;
        paused.completed_at := NULL;
        paused.duration_ms := NULL;
        paused.paused_at := resumer.service_now();
        paused.paused_reason := 'approval_required';
        new := paused;
      END IF;
      EXIT;
    EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
      tries := coalesce(tries, 0) OPERATOR(pg_catalog.+) 1;
      IF SQLSTATE OPERATOR(pg_catalog.=) '42804' AND tries OPERATOR(pg_catalog.=) 1 THEN
        EXECUTE 'DISCARD PLANS'; -- the type of a column has changed since this session made its plans
        CONTINUE;
      END IF;
      IF coalesce(pg_catalog.current_setting('resumer.warned', true), '') OPERATOR(pg_catalog.<>) 'on' THEN
        PERFORM pg_catalog.set_config('resumer.warned', 'on', true); -- once per transaction
        RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
      END IF;
      IF guarded IS NOT TRUE OR unchecked OPERATOR(pg_catalog.<>) '' OR tries OPERATOR(pg_catalog.>) 2 THEN
        RETURN new;
      END IF;
    END;
    -- the owner of the row cannot be read: repeat, if the inbox takes a request
    BEGIN
      PERFORM resumer.lock_inbox(), pg_catalog.set_config('resumer.unchecked', 'noted', true);
    EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
      RAISE WARNING 'resumer: %, not counted', SQLERRM USING ERRCODE = SQLSTATE;
      PERFORM pg_catalog.set_config('resumer.unchecked', 'lost', true), pg_catalog.set_config('resumer.given_up', 'on', true);
    END;
  END LOOP;
  IF refused AND coalesce(pg_catalog.current_setting('resumer.refused', true), '') OPERATOR(pg_catalog.=) '' THEN
    PERFORM pg_catalog.set_config('resumer.refused', written, true);
    RAISE WARNING 'resumer: %', refusal -- once per statement
      USING HINT = 'To write anyway: SET LOCAL resumer.own = ''on''. To end it: set status to ''cancelled''.';
  END IF;
  IF looks AND coalesce(pg_catalog.current_setting('resumer.look', true), '') OPERATOR(pg_catalog.<>) 'on' THEN
    PERFORM pg_catalog.set_config('resumer.look', 'on', true);
  END IF;
  IF refused THEN
    RETURN old; -- the whole row: a whole-row update by an unaware program has nothing new in it
  END IF;
  RETURN new;
END
$f$;

-- Capture the rows of a statement that updates executions: pauses that began or ended, executions that ended as blocked, pauses
-- with a new `approved` in `resume_data`, and writes that were rejected or could not be checked. New rows minus old rows by EXCEPT
-- and GROUP BY, never by a join: plpgsql keeps the plan of the session's first call, which was made for one row.
CREATE OR REPLACE FUNCTION resumer.on_execution_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  refused text;
  unchecked boolean;
BEGIN
  IF current_setting('resumer.look', true) IS DISTINCT FROM 'on' THEN
    RETURN NULL;
  END IF;
  refused := nullif(current_setting('resumer.refused', true), '');
  IF refused IS NOT NULL THEN
    PERFORM set_config('resumer.refused', '', true);
  END IF;
  IF 'on' IN (current_setting('resumer.own', true), current_setting('resumer.given_up', true)) THEN
    RETURN NULL;
  END IF;
  unchecked := coalesce(current_setting('resumer.unchecked', true) = 'noted', false);
  BEGIN
    INSERT INTO resumer.resume_requests (execution_id, kind, decision, actor, reason, payload)
    SELECT s.id, 'adopt', CASE WHEN bool_or(s.external_decision) THEN 'external_decision' END, NULL, NULL, NULL::jsonb
    FROM (
      SELECT c.id, false AS external_decision FROM (
        SELECT n.id, n.status::text, n.result::text FROM new_rows n
        WHERE n.status::text = 'paused' OR (n.status::text = 'completed' AND n.result::text = 'blocked')
        EXCEPT SELECT o.id, o.status::text, o.result::text FROM old_rows o) AS c
      UNION ALL
      SELECT c.id, false FROM (
        SELECT o.id, o.status::text, o.result::text FROM old_rows o WHERE o.status::text = 'paused'
        EXCEPT SELECT n.id, n.status::text, n.result::text FROM new_rows n) AS c
      UNION ALL -- a decision of an earlier pause that is still in the column does not count
      SELECT c.id, c.decision IS NOT NULL FROM (
        SELECT n.id, to_jsonb(n.resume_data) -> 'approved' AS decision FROM new_rows n WHERE n.status::text = 'paused'
        EXCEPT SELECT o.id, to_jsonb(o.resume_data) -> 'approved' FROM old_rows o) AS c) AS s
    GROUP BY s.id
    UNION ALL
    SELECT u.id, 'adopt', 'guard_rejected', session_user, format('wrote %s over %s', refused, concat_ws('/', u.status, u.result)), NULL
    FROM (
      SELECT o.id, o.status::text, o.result::text, o.completed_at, o.paused_at, o.resume_count, o.last_resumed_at FROM old_rows o
      INTERSECT
      SELECT n.id, n.status::text, n.result::text, n.completed_at, n.paused_at, n.resume_count, n.last_resumed_at FROM new_rows n
      OFFSET 0 -- so that is_ours is called for the result of INTERSECT, not for each row
    ) AS u
    WHERE refused IS NOT NULL AND resumer.is_ours(u.id, u.status)
    UNION ALL
    SELECT u.id, 'adopt', 'unchecked', session_user,
      format('wrote %s over %s', min(u.stands) FILTER (WHERE NOT u.before), min(u.stands) FILTER (WHERE u.before)),
      (array_agg(u.whole) FILTER (WHERE u.before))[1]
    FROM (
      SELECT true AS before, o.id, o.status::text AS status, concat_ws('/', o.status, o.result) AS stands, o.paused_at,
        jsonb_build_array(o.completed_at, o.resume_count, o.last_resumed_at, CASE WHEN o.status::text = 'running'
          THEN jsonb_build_array(o.context, o.resume_data) END) AS rest, to_jsonb(o) AS whole
      FROM old_rows o WHERE unchecked
      UNION ALL
      SELECT false, n.id, n.status::text, concat_ws('/', n.status, n.result), n.paused_at,
        jsonb_build_array(n.completed_at, n.resume_count, n.last_resumed_at, CASE WHEN n.status::text = 'running'
          THEN jsonb_build_array(n.context, n.resume_data) END), NULL
      FROM new_rows n WHERE unchecked) AS u
    GROUP BY u.id
    HAVING bool_or(u.before) AND resumer.is_guarded(
      min(u.status) FILTER (WHERE u.before), min(u.status) FILTER (WHERE NOT u.before),
      count(*) = 2 AND count(DISTINCT u.stands) = 1, count(*) = 2,
      count(DISTINCT u.rest) = 1 AND (count(u.paused_at) FILTER (WHERE u.before) = 0
        OR (count(u.paused_at) = 2 AND count(DISTINCT u.paused_at) = 1)));
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

-- Capture executions that are inserted as paused or blocked.
CREATE OR REPLACE FUNCTION resumer.on_execution_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
BEGIN
  IF 'on' IN (current_setting('resumer.own', true), current_setting('resumer.given_up', true)) THEN
    RETURN NULL;
  END IF;
  BEGIN
    IF NOT EXISTS (
      SELECT FROM new_rows n
      WHERE n.status::text = 'paused' OR (n.status::text = 'completed' AND n.result::text = 'blocked')) THEN
      RETURN NULL;
    END IF;
    INSERT INTO resumer.resume_requests (execution_id, kind, decision)
    SELECT n.id, 'adopt', CASE WHEN n.status::text = 'paused' AND to_jsonb(n.resume_data) ? 'approved' THEN 'external_decision' END
    FROM new_rows n
    WHERE n.status::text = 'paused' OR (n.status::text = 'completed' AND n.result::text = 'blocked');
    PERFORM pg_notify('resumer_wake', '') FROM resumer.notify_enabled;
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    PERFORM set_config('resumer.given_up', CASE SQLSTATE WHEN '55P03' THEN 'on' ELSE '' END, true);
    RAISE WARNING 'resumer: %, left to the reconciler', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  RETURN NULL;
END
$f$;

REVOKE ALL ON FUNCTION resumer.is_ours(uuid, text), resumer.was_paused(uuid), resumer.pauses_at_once(uuid),
  resumer.is_guarded(text, text, boolean, boolean, boolean), resumer.lock_inbox(), resumer.protect_execution(),
  resumer.on_execution_update(), resumer.on_execution_insert() FROM PUBLIC;
