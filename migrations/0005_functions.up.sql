-- The SQL interface: what a person with psql calls. Each leaves one request; each error has a SQLSTATE of class RZ
-- (RZ404 unknown, RZ409 wrong state, RZ410 expired, RZ413 too large, RZ422 ambiguous).

-- The clock of the service's zone-less columns.
CREATE FUNCTION resumer.service_now() RETURNS timestamp
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT statement_timestamp() AT TIME ZONE c.service_timezone FROM resumer.control c
$f$;

-- Whether a text holds what is not seen, or steers a terminal: controls, and what turns the direction of a text.
CREATE FUNCTION resumer.steers(said text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT said ~ (E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb'
    || E'\\U000e0000-\\U000e007f]')
$f$;

-- A text with all of that spelled out, as a literal of PostgreSQL reads it again.
CREATE FUNCTION resumer.printable(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.steers(said) THEN (
    SELECT string_agg(CASE WHEN NOT resumer.steers(c.one) THEN c.one
        WHEN ascii(c.one) < 128 THEN E'\\x' || lpad(to_hex(ascii(c.one)), 2, '0')
        WHEN ascii(c.one) < 65536 THEN E'\\u' || lpad(to_hex(ascii(c.one)), 4, '0')
        ELSE E'\\U' || lpad(to_hex(ascii(c.one)), 8, '0') END, '' ORDER BY c.n)
    FROM regexp_split_to_table(said, '') WITH ORDINALITY AS c (one, n)) ELSE said END
$f$;

-- A text as a literal of PostgreSQL, in which nothing steers a terminal.
CREATE FUNCTION resumer.quoted(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN resumer.steers(said)
    THEN 'E''' || resumer.printable(replace(replace(said, E'\\', E'\\\\'), '''', '''''')) || '''' ELSE quote_nullable(said) END
$f$;

-- A text as an argument for a POSIX shell; NULL where it cannot be one that is safe to paste: with control characters, or
-- with a first character that makes it an option.
CREATE FUNCTION resumer.shell(said text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN said LIKE '-%' OR resumer.steers(said) THEN NULL
    WHEN said ~ '^[A-Za-z0-9_@%+=:,./-]+$' THEN said
    ELSE '''' || replace(said, '''', '''"''"''') || '''' END
$f$;

-- The path for what the service's tables call when they are written: what the database sets, or the service's schema. Who
-- calls us chooses none of it. What runs under it names its operators, and no function but ours.
CREATE FUNCTION resumer.service_path() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT coalesce((
      SELECT substr(c.setting, 13) FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
      WHERE s.setrole = 0 AND s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND c.setting LIKE E'search\\_path=%'),
    n.name || ', pg_temp')
  FROM (SELECT quote_ident(o.nspname) AS name FROM pg_namespace o WHERE o.oid = to_regnamespace('service_schema')) AS n
$f$;

-- Write a decision; the table's own trigger makes the request of it.
CREATE FUNCTION resumer.decide(request_id text, verdict text, approver uuid, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  approval record;
  now_there timestamp := resumer.service_now();
BEGIN
  SELECT a.id, a.status, a.expires_at, a.decision_reason INTO approval FROM approval_requests a
  WHERE a.request_id = decide.request_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no approval request %', resumer.quoted(decide.request_id)
      USING ERRCODE = 'RZ404', HINT = 'SELECT request_id, status FROM approval_requests WHERE status = ''pending''';
  ELSIF approval.status <> 'pending' THEN
    RAISE EXCEPTION 'approval request % is % already%', resumer.quoted(decide.request_id), approval.status,
      coalesce(': ' || approval.decision_reason, '')
      USING ERRCODE = 'RZ409', HINT = 'a decision is consumed once; a later change of it moves nothing';
  ELSIF approval.expires_at <= now_there THEN
    RAISE EXCEPTION 'approval request % expired at %', resumer.quoted(decide.request_id), approval.expires_at
      USING ERRCODE = 'RZ410', HINT = 'ask again: the workflow goes its way for an expiry';
  END IF;
  PERFORM set_config('search_path', resumer.service_path(), true);
  UPDATE service_schema.approval_requests a
  SET status = verdict, approver_id = coalesce(decide.approver, a.approver_id), decision_reason = decide.reason,
    decided_at = now_there
  WHERE a.id OPERATOR(pg_catalog.=) approval.id;
END
$f$;

CREATE FUNCTION resumer.approve(request_id text, approver uuid DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.decide(request_id, 'approved', approver, reason) $f$;

CREATE FUNCTION resumer.reject(request_id text, approver uuid DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.decide(request_id, 'rejected', approver, reason) $f$;

-- Queue a new execution of one row of `workflows`, with its start request.
CREATE FUNCTION resumer.queue(workflow uuid, organization uuid, event text, payload jsonb) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  queued uuid := gen_random_uuid();
  key text := 'exec_' || left(replace(queued::text, '-', ''), 16);
  now_there timestamp := resumer.service_now();
BEGIN
  INSERT INTO resumer.resume_requests (execution_id, kind, actor) VALUES (queued, 'start', session_user);
  PERFORM resumer.wake(), set_config('search_path', resumer.service_path(), true);
  IF organization IS NULL THEN
    INSERT INTO workflow_executions
      (id, workflow_id, execution_id, trigger_event, trigger_payload, status, started_at)
    VALUES
      (queued, workflow, key, event, payload, 'pending', now_there);
  ELSE
    INSERT INTO workflow_executions
      (id, workflow_id, execution_id, trigger_event, trigger_payload, status, started_at, organization_id)
    VALUES
      (queued, workflow, key, event, payload, 'pending', now_there, organization);
  END IF;
  RETURN queued;
END
$f$;

-- Start a workflow by its name. Returns the execution's id.
-- Organisations are looked up through to_jsonb, for one vintage of the service has the column and the other has not.
CREATE FUNCTION resumer.start(
  workflow_id text, payload jsonb DEFAULT '{}', version text DEFAULT NULL, organization_id uuid DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
DECLARE
  chosen record;
  owners integer;
BEGIN
  IF jsonb_typeof(payload) <> 'object' THEN
    RAISE EXCEPTION 'a payload is a JSON object, this is of type %', jsonb_typeof(payload)
      USING ERRCODE = 'RZ422', HINT = 'its names are what conditions and templates look for';
  END IF;
  PERFORM resumer.check_size(payload);
  SELECT count(DISTINCT to_jsonb(w) -> 'organization_id') INTO owners FROM workflows w
  WHERE w.workflow_id = start.workflow_id AND (start.version IS NULL OR w.version = start.version)
    AND (start.organization_id IS NULL OR to_jsonb(w) ->> 'organization_id' = start.organization_id::text);
  IF owners > 1 THEN
    RAISE EXCEPTION 'workflow % exists in % organisations', resumer.quoted(start.workflow_id), owners
      USING ERRCODE = 'RZ422', HINT = 'name one: organization_id => ...';
  END IF;
  SELECT w.id, w.enabled, (to_jsonb(w) ->> 'organization_id')::uuid AS organization INTO chosen FROM workflows w
  WHERE w.workflow_id = start.workflow_id AND (start.version IS NULL OR w.version = start.version)
    AND (start.organization_id IS NULL OR to_jsonb(w) ->> 'organization_id' = start.organization_id::text)
  ORDER BY coalesce(w.enabled, true) DESC, w.created_at DESC NULLS LAST, w.id
  LIMIT 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no workflow %', resumer.quoted(start.workflow_id) || coalesce(' version ' || start.version, '')
      USING ERRCODE = 'RZ404', HINT = 'SELECT workflow_id, version, enabled FROM workflows';
  ELSIF NOT coalesce(chosen.enabled, true) THEN
    RAISE EXCEPTION 'workflow % is disabled', resumer.quoted(start.workflow_id)
      USING ERRCODE = 'RZ409', HINT = 'a disabled workflow refuses starts; what is paused still resumes';
  END IF;
  RETURN resumer.queue(chosen.id, chosen.organization, 'manual', start.payload);
END
$f$;

REVOKE ALL ON FUNCTION resumer.service_now(), resumer.service_path(), resumer.steers(text), resumer.printable(text),
  resumer.quoted(text), resumer.shell(text), resumer.decide(text, text, uuid, text), resumer.approve(text, uuid, text),
  resumer.reject(text, uuid, text), resumer.queue(uuid, uuid, text, jsonb),
  resumer.start(text, jsonb, text, uuid) FROM PUBLIC;
