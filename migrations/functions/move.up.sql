-- SQL API, moves: `resumer.cancel`, `resumer.retry`, `resumer.resume`, `resumer.pause` and `resumer.adopt`.
--
-- People, the command line and HTTP call them. Each inserts one request with an actor and a reason, and notifies the daemon, which
-- applies it. They read executions without a lock, so the request may be refused later. Locks: none.

-- Refuse a request for another pause than the open one, because its author has not seen the open one.
CREATE OR REPLACE FUNCTION resumer.check_pause_number(execution uuid, seen integer, open_now integer) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $f$
BEGIN
  IF seen IS DISTINCT FROM open_now THEN
    RAISE EXCEPTION 'execution % is now at %, not at %. Explain it again before you repeat the request.', execution,
      coalesce('pause ' || open_now, 'no recorded pause'), coalesce('pause ' || seen, 'no recorded pause')
      USING ERRCODE = 'RZ409', HINT = format('SELECT resumer.explain(%L)', execution);
  END IF;
END
$f$;

-- Insert a request. A resume and a retry are stored for the pause that their checks were made for. One statement reads the status
-- and the open pause, and that pause must still be the same.
CREATE OR REPLACE FUNCTION resumer.add_request(
  execution_id uuid, kind text, actor text, reason text, payload jsonb, allowed text[], pause_number integer DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  found text;
  open_now integer;
  left_request bigint;
BEGIN
  SELECT e.status, (SELECT p.number FROM resumer.pauses p WHERE p.execution_id = e.id AND p.resumed_at IS NULL)
  INTO found, open_now FROM workflow_executions e WHERE e.id = add_request.execution_id;
  IF found IS NULL THEN
    RAISE EXCEPTION 'no execution %', add_request.execution_id
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  ELSIF found <> ALL (add_request.allowed) THEN
    RAISE EXCEPTION 'execution % is %: % is not possible', add_request.execution_id, resumer.printable(found), add_request.kind
      USING ERRCODE = 'RZ409', HINT = format('possible while it is %s', array_to_string(add_request.allowed, ' or '));
  ELSIF add_request.kind IN ('manual', 'retry') THEN
    PERFORM resumer.check_pause_number(add_request.execution_id, add_request.pause_number, open_now);
  END IF;
  INSERT INTO resumer.resume_requests (execution_id, kind, actor, reason, payload, pause_number)
  VALUES (add_request.execution_id, add_request.kind, coalesce(add_request.actor, session_user), add_request.reason, add_request.payload, add_request.pause_number)
  RETURNING id INTO left_request;
  PERFORM resumer.wake();
  RETURN left_request;
END
$f$;

-- Cancel an execution that has not ended. It has no result. Returns the id of the request.
CREATE OR REPLACE FUNCTION resumer.cancel(execution_id uuid, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT resumer.add_request(execution_id, 'cancel', actor, reason, NULL, ARRAY['pending', 'running', 'waiting', 'paused'])
$f$;

-- Continue after an incident: from the same place, from another step of the definition, or with the effect of this Idempotency-Key
-- taken as done. The last two need an actor and a reason, because they change what the flow does.
-- `pause_number`: the pause that the caller has seen. The call is refused if another one is open.
CREATE OR REPLACE FUNCTION resumer.retry(
  execution_id uuid, reason text DEFAULT NULL, actor text DEFAULT NULL, from_step text DEFAULT NULL,
  skip_effect text DEFAULT NULL, pause_number integer DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  stopped_for text;
  open_now integer;
BEGIN
  SELECT p.reason, p.number INTO stopped_for, open_now FROM resumer.pauses p
  WHERE p.execution_id = retry.execution_id AND p.resumed_at IS NULL;
  IF retry.pause_number IS NOT NULL AND open_now IS NOT NULL THEN
    PERFORM resumer.check_pause_number(retry.execution_id, retry.pause_number, open_now);
  END IF;
  IF stopped_for IS DISTINCT FROM 'incident' THEN
    RAISE EXCEPTION 'execution % has no incident', execution_id
      USING ERRCODE = 'RZ409', HINT = 'Only incidents can be retried. Use resumer.resume for a pause.';
  ELSIF coalesce(from_step, skip_effect) IS NOT NULL AND (actor IS NULL OR reason IS NULL) THEN
    RAISE EXCEPTION 'a retry from another step, or without an effect, needs an actor and a reason'
      USING ERRCODE = 'RZ409', HINT = 'actor => ''...'', reason => ''...''';
  ELSIF skip_effect IS NOT NULL AND NOT EXISTS (
    SELECT FROM resumer.effects f
    WHERE f.key = skip_effect AND f.execution_id = retry.execution_id AND f.status <> 'done') THEN
    RAISE EXCEPTION 'execution % waits for no effect %', execution_id, skip_effect
      USING ERRCODE = 'RZ404', HINT = 'SELECT key, path, status FROM resumer.effects WHERE execution_id = ...';
  END IF;
  PERFORM resumer.check_not_on_hold(execution_id);
  RETURN resumer.add_request(execution_id, 'retry', actor, reason,
    nullif(jsonb_strip_nulls(jsonb_build_object('from_step', from_step, 'skip_effect', skip_effect)), '{}'), ARRAY['paused'],
    open_now);
END
$f$;

-- Resume manually. This is not a decision: while an approval is missing it needs force, an actor and a reason. A manually paused
-- execution waits again for what it waited for; with force it continues. `pause_number`: the pause that the caller has seen. The
-- call is refused if another one is open. It is required with force over an approval, because the next gate may be open already.
CREATE OR REPLACE FUNCTION resumer.resume(
  execution_id uuid, data jsonb DEFAULT '{}', actor text DEFAULT NULL, reason text DEFAULT NULL, force boolean DEFAULT false,
  pause_number integer DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  waits_for text;
  held_over text;
  open_now integer;
BEGIN
  PERFORM resumer.check_object('resume data', data);
  SELECT p.reason, p.manual_pause ->> 'before', p.number INTO waits_for, held_over, open_now FROM resumer.pauses p
  WHERE p.execution_id = resume.execution_id AND p.resumed_at IS NULL;
  IF resume.pause_number IS NOT NULL AND open_now IS NOT NULL THEN
    PERFORM resumer.check_pause_number(resume.execution_id, resume.pause_number, open_now);
  END IF;
  IF waits_for = 'incident' THEN
    RAISE EXCEPTION 'execution % has an incident', execution_id
      USING ERRCODE = 'RZ409', HINT = 'look at it, then: SELECT resumer.retry(...)';
  ELSIF held_over IS NOT NULL AND NOT force AND data <> '{}' THEN
    RAISE EXCEPTION 'execution % still waits (%), so it cannot take data.', execution_id, held_over
      USING ERRCODE = 'RZ409', HINT = 'Omit the data, or end the wait with force => true.';
  ELSIF (waits_for = 'approval_required' OR (held_over = 'approval_required' AND force))
    AND NOT (force AND actor IS NOT NULL AND reason IS NOT NULL) THEN
    RAISE EXCEPTION 'an approval is missing: a manual resume needs force, an actor and a reason'
      USING ERRCODE = 'RZ409', HINT = 'force => true, actor => ''...'', reason => ''...'', pause_number => N';
  ELSIF (waits_for = 'approval_required' OR (held_over = 'approval_required' AND force)) AND resume.pause_number IS NULL THEN
    RAISE EXCEPTION 'an approval is missing: force needs the number of the pause that was looked at'
      USING ERRCODE = 'RZ409', HINT = 'it is pause_number in resumer.status, resumer.explain, resumer.inbox and resume-options, '
        || 'and `resumer-daemon explain` prints it: pause_number => N, or --pause N';
  ELSIF force AND open_now IS NULL AND (resumer.execution_summary(execution_id)).status = 'paused' THEN
    RAISE EXCEPTION 'another program paused execution %, and no daemon has recorded the pause yet.', execution_id
      USING ERRCODE = 'RZ409', HINT = 'Repeat with force when resumer.status shows a pause_number.';
  END IF;
  PERFORM resumer.check_not_on_hold(execution_id);
  RETURN resumer.add_request(execution_id, 'manual', actor, reason, jsonb_build_object('data', data, 'force', force), ARRAY['paused'],
    open_now);
END
$f$;

-- Pause one execution before its next step, or add a manual pause to an open one: decisions that arrive are parked and count after
-- the resume. It is refused for an execution that another program runs. Returns the id of the request.
CREATE OR REPLACE FUNCTION resumer.pause(execution_id uuid, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  found text := (resumer.execution_summary(execution_id)).status;
BEGIN
  IF (found = 'running' AND NOT EXISTS (
      SELECT FROM resumer.leases l WHERE l.execution_id = pause.execution_id AND l.lease_until IS NOT NULL))
    OR (found = 'pending' AND NOT EXISTS (
      SELECT FROM resumer.resume_requests r WHERE r.execution_id = pause.execution_id AND r.kind = 'start'
        AND (r.outcome IS NULL OR r.outcome = 'held'))) THEN
    RAISE EXCEPTION 'execution % is % in another program: only what a daemon runs can be paused', execution_id, found
      USING ERRCODE = 'RZ409', HINT = 'it can be held once it is paused, and cancelled at any time';
  ELSIF EXISTS (
    SELECT FROM resumer.pauses p
    WHERE p.execution_id = pause.execution_id AND p.resumed_at IS NULL AND p.reason = 'manual') THEN
    RAISE EXCEPTION 'execution % is paused manually already', execution_id
      USING ERRCODE = 'RZ409', HINT = 'SELECT resumer.resume(...) ends it';
  END IF;
  RETURN resumer.add_request(execution_id, 'pause', actor, reason, NULL, ARRAY['pending', 'running', 'paused']);
END
$f$;

-- Request that the daemon adopts an execution that the service blocked before the installation, as a trigger would.
CREATE OR REPLACE FUNCTION resumer.adopt(execution_id uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  left_request bigint;
BEGIN
  IF (resumer.execution_summary(execution_id)).status IS NULL THEN
    RAISE EXCEPTION 'no execution %', execution_id
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  INSERT INTO resumer.resume_requests (execution_id, kind, actor, reason)
  VALUES (adopt.execution_id, 'adopt', session_user, 'adopt --since')
  RETURNING id INTO left_request;
  RETURN left_request;
END
$f$;

-- The same functions, by the key (`exec_...`) or the id as text. A literal without a type calls these, also if it is a UUID.
CREATE OR REPLACE FUNCTION resumer.cancel(execution_id text, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.cancel(resumer.find(execution_id), reason, actor) $f$;

CREATE OR REPLACE FUNCTION resumer.retry(
  execution_id text, reason text DEFAULT NULL, actor text DEFAULT NULL, from_step text DEFAULT NULL,
  skip_effect text DEFAULT NULL, pause_number integer DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.retry(resumer.find(execution_id), reason, actor, from_step, skip_effect, pause_number) $f$;

CREATE OR REPLACE FUNCTION resumer.resume(
  execution_id text, data jsonb DEFAULT '{}', actor text DEFAULT NULL, reason text DEFAULT NULL, force boolean DEFAULT false,
  pause_number integer DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.resume(resumer.find(execution_id), data, actor, reason, force, pause_number) $f$;

CREATE OR REPLACE FUNCTION resumer.pause(execution_id text, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.pause(resumer.find(execution_id), reason, actor) $f$;

CREATE OR REPLACE FUNCTION resumer.adopt(execution_id text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.adopt(resumer.find(execution_id)) $f$;

REVOKE ALL ON FUNCTION resumer.adopt(uuid), resumer.adopt(text), resumer.add_request(uuid, text, text, text, jsonb, text[], integer),
  resumer.cancel(uuid, text, text), resumer.cancel(text, text, text), resumer.retry(uuid, text, text, text, text, integer),
  resumer.retry(text, text, text, text, text, integer), resumer.resume(uuid, jsonb, text, text, boolean, integer),
  resumer.resume(text, jsonb, text, text, boolean, integer), resumer.pause(uuid, text, text), resumer.pause(text, text, text),
  resumer.check_pause_number(uuid, integer, integer) FROM PUBLIC;
