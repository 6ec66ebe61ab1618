-- `resumer.explain`: why an execution does not continue.
--
-- Each reason has a code, a sentence, since when and until when it applies, and the SQL and the command that would change it.
-- Each `explain_...` function examines one aspect: status, blockers, approvals, waits, requests, and the health of daemons and
-- triggers. `resumer.explain` sorts the reasons: first what blocks the execution, then what it waits for, last what is wrong
-- with its surroundings. `resumer-daemon explain` and the HTTP endpoint call it. It takes no lock beyond those of a SELECT.

-- Format the time from or until now in one unit; NULL for NULL.
CREATE OR REPLACE FUNCTION resumer.format_age(moment timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE WHEN moment IS NULL THEN NULL WHEN s >= 172800 THEN round(s / 86400) || ' d' WHEN s >= 7200 THEN round(s / 3600) || ' h'
    WHEN s >= 120 THEN round(s / 60) || ' min' WHEN isfinite(moment) THEN round(s) || ' s' ELSE 'ever' END
  FROM abs(extract(epoch FROM CASE WHEN isfinite(moment) THEN statement_timestamp() - moment END)) AS s
$f$;

-- Return one reason. `rank` sorts them. Control characters are escaped in sentences; SQL and commands with them are left out.
CREATE OR REPLACE FUNCTION resumer.reason(
  rank integer, code text, sentence text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
  sql text DEFAULT NULL, command text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT jsonb_build_object('rank', rank, 'code', code, 'sentence', resumer.printable(sentence), 'since', since, 'until', until,
    'sql', CASE WHEN NOT resumer.has_control_characters(sql) THEN sql END, 'command', CASE WHEN NOT resumer.has_control_characters(command) THEN command END)
$f$;

-- It has ended or has not started.
CREATE OR REPLACE FUNCTION resumer.explain_status(execution uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  e record;
  again text;
  past text;
  r record;
BEGIN
  SELECT o.status, o.result, o.error_message, o.completed_at AT TIME ZONE c.service_timezone AS ended, a.workflow, a.execution_key
  INTO e FROM service_schema.workflow_executions o, resumer.control c, resumer.execution_summary(o.id) AS a WHERE o.id = execution;
  past := coalesce(resumer.format_age(e.ended), 'some time');
  again := format(
    'SELECT resumer.start(%s, (SELECT trigger_payload FROM workflow_executions WHERE id = %L))', resumer.quoted(e.workflow),
    execution);
  IF e.status = 'completed' THEN
    RETURN NEXT resumer.reason(1, 'completed', format(
      'Ended as %s %s ago.', coalesce(e.result, 'completed'), past), e.ended);
  ELSIF e.status = 'failed' THEN
    RETURN NEXT resumer.reason(1, 'failed', format('Failed %s ago: %s. A failed execution cannot be repeated; start a new one.',
      past, coalesce(e.error_message, 'no reason given')), e.ended, NULL, again,
      'resumer-daemon start ' || resumer.shell(e.workflow) || ' --payload-of ' || resumer.shell(e.execution_key));
  ELSIF e.status = 'cancelled' THEN
    SELECT * INTO r FROM resumer.requests o
    WHERE o.execution_id = execution AND o.kind = 'cancel' AND o.outcome = 'applied';
    RETURN NEXT resumer.reason(1, 'cancelled', format('Cancelled by %s %s ago%s.', coalesce(r.actor, 'another program'),
      past, coalesce(': ' || r.reason, '')), e.ended, NULL, again,
      'resumer-daemon start ' || resumer.shell(e.workflow) || ' --payload-of ' || resumer.shell(e.execution_key));
  ELSIF e.status = 'pending' THEN
    SELECT * INTO r FROM resumer.requests o WHERE o.execution_id = execution AND o.kind = 'start' ORDER BY o.id LIMIT 1;
    IF NOT FOUND THEN
      RETURN NEXT resumer.reason(20, 'another_program_starts',
        'Pending without a start request: the program that inserted it starts it.');
    ELSIF r.outcome IS NULL THEN
      RETURN NEXT resumer.reason(20, 'queued', format('Queued for %s. No daemon has started it yet.',
        resumer.format_age(r.requested_at)), r.requested_at, NULL, NULL, 'resumer-daemon doctor');
    END IF;
  ELSIF e.status NOT IN ('running', 'paused') THEN
    RETURN NEXT resumer.reason(20, 'foreign_status',
      format('Its status is %s. Only another program writes that status, and only that program can continue it.', e.status));
  END IF;
END
$f$;

-- It runs: on a daemon, on one that stopped, or in another program.
CREATE OR REPLACE FUNCTION resumer.explain_running(execution uuid, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  l record;
  f record;
BEGIN
  IF (resumer.execution_summary(execution)).status <> 'running' THEN
    RETURN;
  END IF;
  SELECT o.*, coalesce(i.host, 'a daemon that is gone') AS host, coalesce(i.dead, true) AS dead INTO l
  FROM resumer.leases o LEFT JOIN resumer.instances i ON i.id = o.instance
  WHERE o.execution_id = execution AND o.lease_until IS NOT NULL;
  IF NOT FOUND THEN
    RETURN NEXT resumer.reason(20, 'another_program_runs',
      'Running in another program. Decisions are parked until it pauses or ends.', NULL, NULL,
      format('SELECT resumer.cancel(%L, ''WHY'', ''YOU'')', execution), 'resumer-daemon cancel ' || resumer.shell(key));
    RETURN;
  ELSIF l.instance IS NULL THEN
    RETURN NEXT resumer.reason(20, 'waiting_for_capacity', format('Waiting for capacity for %s. All daemons are at their webhook limit'
      ' (RESUMER_CONCURRENCY).', resumer.format_age(l.recorded_at)), l.recorded_at, l.lease_until, NULL, 'resumer-daemon run');
  ELSIF l.lease_until < statement_timestamp() OR l.dead THEN
    RETURN NEXT resumer.reason(20, 'lease_expired', format('%s ran it, but %s. No daemon has taken it over yet.', l.host,
      CASE WHEN l.lease_until < statement_timestamp() THEN format('its lease expired %s ago', resumer.format_age(l.lease_until))
        ELSE 'that daemon is dead' END), l.lease_until, NULL, NULL, 'resumer-daemon run');
  ELSE
    RETURN NEXT resumer.reason(20, 'running', format('Running on %s. If that daemon stops, another can take over in %s.',
      l.host, resumer.format_age(l.lease_until)), l.recorded_at, l.lease_until,
      format('SELECT resumer.pause(%L, ''WHY'', ''YOU'')', execution), 'resumer-daemon pause ' || resumer.shell(key));
  END IF;
  FOR f IN SELECT * FROM resumer.effects o WHERE o.execution_id = execution AND o.status = 'intent' ORDER BY o.intended_at LOOP
    IF f.next_at > statement_timestamp() THEN
      RETURN NEXT resumer.reason(21, 'effect_delayed', format('Attempt %s of the %s at %s is due in %s%s.', f.attempts, f.kind,
        f.path, resumer.format_age(f.next_at), coalesce('; previous attempt: ' || f.error, '')), f.finished_at, f.next_at,
        format('SELECT key, request, attempts FROM resumer.effects WHERE key = %s', resumer.quoted(f.key)));
      CONTINUE;
    END IF;
    RETURN NEXT resumer.reason(21, 'effect_in_progress', format('The %s at %s has been in progress for %s, attempt %s%s.', f.kind, f.path,
      resumer.format_age(f.intended_at), f.attempts, coalesce('; previous attempt: ' || f.error, '')), f.intended_at, NULL,
      format('SELECT key, request, attempts FROM resumer.effects WHERE key = %s', resumer.quoted(f.key)));
  END LOOP;
END
$f$;

-- A hold, a manual pause or an incident blocks it.
CREATE OR REPLACE FUNCTION resumer.explain_blockers(execution uuid, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  h resumer.holds := resumer.hold_of(execution);
  p resumer.pauses;
  since timestamptz;
BEGIN
  IF h.id IS NOT NULL THEN
    RETURN NEXT resumer.reason(10, 'on_hold', format('%s put %s on hold %s ago%s, %s.', h.actor, coalesce(h.workflow_id, 'everything'),
      resumer.format_age(h.held_at), coalesce(' (' || h.reason || ')', ''), coalesce('for ' || resumer.format_age(h.until) || ' more',
      'until it is released')), h.held_at, h.until, format('SELECT resumer.release(%s)', resumer.quoted(coalesce(h.workflow_id, '*'))),
      'resumer-daemon release ' || CASE WHEN h.workflow_id IS NULL THEN '--all' ELSE '--workflow ' || resumer.shell(h.workflow_id) END);
  END IF;
  SELECT * INTO p FROM resumer.pauses o WHERE o.execution_id = execution AND o.resumed_at IS NULL;
  IF p.reason = 'manual' THEN
    since := coalesce((p.manual_pause ->> 'since')::timestamptz, p.paused_at);
    RETURN NEXT resumer.reason(11, 'manually_paused', format('Paused manually by %s %s ago%s%s.', coalesce(p.manual_pause ->> 'actor', 'somebody'),
      resumer.format_age(since), coalesce(' (' || (p.manual_pause ->> 'reason') || ')', ''),
      CASE p.manual_pause ->> 'before' WHEN 'approval_required' THEN '; after the resume it still waits for an approval'
        WHEN 'waiting_for_event' THEN '; after the resume it still waits for an event' WHEN 'waiting_for_time' THEN '; after the resume it still waits for a time'
        ELSE coalesce(', before step ' || p.step_id, '') END), since, NULL,
      format('SELECT resumer.resume(%L, actor => ''YOU'', reason => ''WHY'', pause_number => %s)', execution, p.number),
      'resumer-daemon resume ' || resumer.shell(key) || ' --pause ' || p.number);
  ELSIF p.reason = 'incident' THEN
    RETURN NEXT resumer.reason(11, 'incident', format('Incident %s at %s: %s. Remedy: %s.', p.incident ->> 'cause',
      coalesce(p.step_id, 'the start'), p.incident ->> 'detail', p.incident ->> 'remedy'), p.paused_at, NULL,
      format('SELECT resumer.retry(%L, ''WHY'', ''YOU'', pause_number => %s)', execution, p.number),
      'resumer-daemon retry ' || resumer.shell(key) || ' --pause ' || p.number);
  END IF;
END
$f$;

-- It waits for approvals: one reason for each that does not count yet, and how many are needed in all.
CREATE OR REPLACE FUNCTION resumer.explain_approval(p resumer.pauses, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  waits jsonb := resumer.waiting_for(p);
  a record;
  request record;
  given integer;
  persons integer;
BEGIN
  IF p.reason IS DISTINCT FROM 'approval_required' THEN
    RETURN;
  ELSIF waits -> 'approvals' = '[]' THEN
    RETURN NEXT resumer.reason(30, 'no_approval', 'Waiting for an approval that was deleted.', p.paused_at,
      NULL, format('SELECT resumer.resume(%L, force => true, actor => ''YOU'', reason => ''WHY'', pause_number => %s)', p.execution_id,
        p.number),
      'resumer-daemon resume ' || resumer.shell(key) || ' --force --as YOU --reason WHY --pause ' || p.number);
  END IF;
  FOR a IN SELECT * FROM jsonb_to_recordset(waits -> 'approvals') AS v (
    id uuid, request_id text, status text, role text, approver_id uuid, requested_at timestamptz, expires_at timestamptz)
  LOOP
    SELECT r.id, r.outcome, r.reason, r.requested_at INTO request FROM resumer.requests r
    WHERE r.execution_id = p.execution_id AND r.source_id = a.id AND r.kind = 'approval' ORDER BY r.id DESC LIMIT 1;
    IF a.status = 'pending' AND a.expires_at < statement_timestamp() THEN
      RETURN NEXT resumer.reason(31, 'approval_expired', format('Approval %s expired %s ago. The daemon has not recorded the expiry'
        ' yet.', a.request_id, resumer.format_age(a.expires_at)), a.expires_at, NULL,
        format('UPDATE approval_requests SET status = ''expired'' WHERE request_id = %s', resumer.quoted(a.request_id)), 'resumer-daemon doctor');
    ELSIF a.status = 'pending' THEN
      RETURN NEXT resumer.reason(30, 'approval_missing', format('Approval %s is pending: requested from %s %s ago, %s.', a.request_id,
        coalesce(a.role, a.approver_id::text, 'anyone'), resumer.format_age(a.requested_at),
        coalesce('expires in ' || resumer.format_age(a.expires_at), 'never expires')), a.requested_at, a.expires_at,
        format('SELECT resumer.approve(%s)', resumer.quoted(a.request_id)), 'resumer-daemon approve ' || resumer.shell(a.request_id));
    ELSIF a.status IS NULL OR a.status NOT IN ('approved', 'rejected', 'expired') THEN
      RETURN NEXT resumer.reason(31, 'unrecognised', format('Approval %s has the status %s, which is not a decision. Only approved,'
        ' rejected and expired are.', a.request_id, coalesce(quote_literal(a.status), 'NULL')), request.requested_at, NULL,
        format('UPDATE approval_requests SET status = ''approved'' WHERE request_id = %s', resumer.quoted(a.request_id)));
    ELSIF request.id IS NULL THEN
      RETURN NEXT resumer.reason(31, 'decision_not_captured', format('Approval %s is %s, but its trigger did not capture the decision.'
        ' The reconciler will find it.', a.request_id, a.status), NULL, NULL, NULL, 'resumer-daemon doctor');
    ELSIF a.status = 'approved' AND request.outcome = 'held'
      AND request.reason IN ('missing_approver', 'self_approval', 'after_expiry', 'wrong_organization') THEN
      RETURN NEXT resumer.reason(31, 'approval_refused', format('Approval %s is approved but does not count: %s (RESUMER_DECISION_GUARD).',
        a.request_id, replace(request.reason, '_', ' ')), request.requested_at, NULL,
        format('UPDATE approval_requests SET status = ''pending'', approver_id = NULL WHERE request_id = %s', resumer.quoted(a.request_id)));
    END IF;
  END LOOP;
  SELECT count(*), count(DISTINCT coalesce(v.approver_id, v.id)) INTO given, persons
  FROM jsonb_to_recordset(waits -> 'approvals') AS v (id uuid, status text, approver_id uuid) WHERE v.status = 'approved';
  IF given > persons THEN
    RETURN NEXT resumer.reason(32, 'duplicate_approver', format('%s approvals were given by %s; each person counts once.',
      given, CASE persons WHEN 1 THEN 'one person' ELSE persons || ' people' END));
  END IF;
  IF given > 0 OR (waits ->> 'needed')::integer > 1 THEN
    RETURN NEXT resumer.reason(33, 'approvals_needed', format('%s of %s needed approvals %s given%s.', persons, waits ->> 'needed',
      CASE persons WHEN 1 THEN 'is' ELSE 'are' END, coalesce('; one is needed from each of: '
        || (SELECT string_agg(v.role, ', ') FROM jsonb_array_elements_text(waits -> 'roles') AS v (role)), '')));
  END IF;
END
$f$;

-- It waits for an event or a time, or its pause has no record.
CREATE OR REPLACE FUNCTION resumer.explain_waiting(p resumer.pauses, execution uuid, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  due timestamptz := (p.waiting ->> 'due_at')::timestamptz;
  fits jsonb := coalesce(p.waiting -> 'match', '{}');
  payload jsonb := '{}';
  m record;
  v record;
BEGIN
  IF p.reason = 'waiting_for_event' THEN
    FOR m IN SELECT string_to_array(o.key, '.') AS path, o.value FROM jsonb_each(fits) AS o LOOP
      FOR i IN 1 .. cardinality(m.path) - 1 LOOP
        payload := jsonb_set(payload, m.path[:i], coalesce(payload #> m.path[:i], '{}'));
      END LOOP;
      payload := jsonb_set(payload, m.path, m.value);
    END LOOP;
    RETURN NEXT resumer.reason(30, 'waits_for_event', format('Waiting for the event %s%s for %s%s.', p.waiting ->> 'event',
      (SELECT ' with ' || string_agg(o.key || ' = ' || (o.value)::text, ', ') FROM jsonb_each(fits) AS o),
      resumer.format_age(p.paused_at), coalesce(', at most ' || resumer.format_age(due) || ' more', '')), p.paused_at, due,
      format('SELECT resumer.emit(%s, %s)', resumer.quoted(p.waiting ->> 'event'), resumer.quoted(payload::text)),
      'resumer-daemon emit ' || resumer.shell(p.waiting ->> 'event') || ' --payload ' || resumer.shell(payload::text));
    -- by the key that all events of the type have, newest first: there may be millions
    SELECT o.payload, r.captured_at INTO v
    FROM (
      SELECT e.captured_id FROM resumer.event_keys e
      WHERE e.key = resumer.event_key(p.waiting ->> 'event',
        coalesce((resumer.execution_summary(execution)).organization_id, '00000000-0000-0000-0000-000000000000'), '')
      ORDER BY e.key DESC, e.captured_id DESC LIMIT 100) AS k
    JOIN resumer.captured_events r ON r.id = k.captured_id
    JOIN service_schema.events o ON o.id = r.event_id
    WHERE r.captured_at >= p.paused_at AND NOT EXISTS (SELECT FROM resumer.event_queue q WHERE q.id = r.id) AND o.event_type = p.waiting ->> 'event'
    ORDER BY r.id DESC LIMIT 1;
    IF FOUND THEN
      RETURN NEXT resumer.reason(31, 'event_not_matched', format('The newest event %s, %s ago, did not match: %s.',
        p.waiting ->> 'event', resumer.format_age(v.captured_at), coalesce(
          (SELECT string_agg(o.key || ' is ' || coalesce((v.payload #> string_to_array(o.key, '.'))::text, 'missing'), ', ')
           FROM jsonb_each(fits) AS o), 'it names another entity')), v.captured_at, NULL,
        'SELECT event_type, payload, received_at FROM events ORDER BY received_at DESC LIMIT 10');
    END IF;
  ELSIF p.reason = 'waiting_for_time' THEN
    RETURN NEXT resumer.reason(30, 'waits_for_time', format('Waiting for a time in %s.', resumer.format_age(due)), p.paused_at, due,
      format('SELECT resumer.resume(%L, actor => ''YOU'', reason => ''WHY'', pause_number => %s)', execution, p.number),
      'resumer-daemon resume ' || resumer.shell(key) || ' --pause ' || p.number);
  ELSIF p.number IS NULL AND (resumer.execution_summary(execution)).status = 'paused' THEN
    RETURN NEXT resumer.reason(30, 'pause_without_record', 'Paused by another program. No daemon has recorded the pause'
      ' yet.', NULL, NULL, NULL, 'resumer-daemon doctor');
  END IF;
END
$f$;

-- Requests that are open, parked, failed or too late.
CREATE OR REPLACE FUNCTION resumer.explain_requests(p resumer.pauses, execution uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  r record;
  what text;
BEGIN
  FOR r IN SELECT * FROM resumer.requests o WHERE o.execution_id = execution AND o.kind NOT IN ('start', 'adopt')
    ORDER BY o.id DESC LIMIT 20
  LOOP
    what := format('%s%s%s %s ago', r.kind, coalesce(' (' || r.decision || ')', ''), coalesce(' by ' || r.actor, ''),
      resumer.format_age(r.requested_at));
    IF r.outcome IS NULL AND r.kind = 'timeout' AND r.due_at > statement_timestamp() AND r.source_id IS NULL THEN
      RETURN NEXT resumer.reason(41, 'timer_set', format('Its timeout is in %s; then it continues at %s.', resumer.format_age(r.due_at),
        coalesce(p.next_steps ->> 'timeout', p.next_steps ->> 'expired', p.next_steps ->> 'event', 'its end')), r.requested_at, r.due_at);
    ELSIF r.kind = 'pause' AND (r.outcome IS NULL OR r.outcome = 'held') THEN
      RETURN NEXT resumer.reason(12, 'pause_requested', format('%s requested a pause%s. It stops before its next step.', r.actor,
        coalesce(' (' || r.reason || ')', '')), r.requested_at);
    ELSIF r.outcome IS NULL AND r.due_at <= statement_timestamp() THEN
      RETURN NEXT resumer.reason(40, 'request_open', format('A request is due and was not claimed: %s.', what), r.due_at, NULL,
        'SELECT * FROM resumer.lag ORDER BY due_at LIMIT 10', 'resumer-daemon doctor');
    ELSIF r.outcome = 'held' THEN
      RETURN NEXT resumer.reason(42, 'request_parked', format('A request is parked: %s.', what), r.requested_at);
    ELSIF r.outcome = 'failed' AND r.requested_at >= coalesce(p.paused_at, '-infinity') THEN
      RETURN NEXT resumer.reason(43, 'request_failed', format('A request failed: %s.', what),
        r.requested_at);
    ELSIF r.outcome IN ('late', 'too_late') THEN
      RETURN NEXT resumer.reason(44, 'decision_late', format('A request came too late, %s: %s.',
        CASE r.outcome WHEN 'late' THEN 'after the decision was applied' ELSE 'after the execution ended' END, what), r.requested_at);
    END IF;
  END LOOP;
END
$f$;

-- Problems around it: no daemon, no listener, a missing trigger, a changed definition, an undelivered message.
CREATE OR REPLACE FUNCTION resumer.explain_health(p resumer.pauses, execution uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  c resumer.control := (SELECT o FROM resumer.control o);
  here text[] := ARRAY(SELECT a.application_name FROM pg_stat_activity a WHERE a.datname = current_database());
  w record;
  x record;
BEGIN
  -- behind a pooler a backend has the name of the client that it served last
  IF NOT here && ARRAY['resumer-worker', 'resumer-listener', 'resumer-pool'] THEN
    RETURN NEXT resumer.reason(50, 'no_daemon', 'No daemon is connected to this database.', NULL, NULL, NULL,
      'resumer-daemon run');
  ELSIF 'resumer-listener' <> ALL (here) THEN
    RETURN NEXT resumer.reason(51, 'no_listener', 'A daemon is connected but does not listen. It finds requests only when'
      ' it polls.', NULL, NULL, NULL, 'resumer-daemon doctor');
  END IF;
  SELECT i.version, i.host INTO w FROM resumer.instances i
  WHERE NOT i.dead AND to_jsonb(i.state_version) < coalesce(p.state -> 'v',
    (SELECT l.state -> 'v' FROM resumer.leases l WHERE l.execution_id = execution AND l.lease_until IS NOT NULL))
  ORDER BY i.started_at DESC LIMIT 1;
  IF FOUND THEN
    RETURN NEXT resumer.reason(13, 'incompatible_state', format('A newer version of resumer-daemon wrote its state. The daemon'
      ' on %s (version %s) cannot continue it.', w.host, w.version), NULL, NULL, NULL, 'resumer-daemon doctor');
  END IF;
  IF c.notify = 'off' OR (c.notify = 'auto' AND current_setting('max_prepared_transactions') <> '0') THEN
    RETURN NEXT resumer.reason(51, 'notify_off', format('Triggers do not notify (RESUMER_NOTIFY is %s). A daemon finds requests'
      ' when it polls.', c.notify), NULL, NULL, 'UPDATE resumer.control SET notify = ''on''');
  END IF;
  FOR x IN
    SELECT n.name, t.tgrelid::regclass AS relation FROM unnest(ARRAY['resumer_approval_insert', 'resumer_approval_update',
      'resumer_approval_delete', 'resumer_event_insert', 'resumer_execution_insert', 'resumer_execution_update',
      'resumer_execution_write']) AS n (name)
    LEFT JOIN (pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = 'resumer'::regnamespace)
      ON t.tgname = n.name
    WHERE coalesce(t.tgenabled, 'D') NOT IN ('O', 'A') ORDER BY n.name
  LOOP
    RETURN NEXT resumer.reason(52, 'trigger_off', format('The trigger %s is %s. Only the reconciler finds what it should'
      ' capture.', x.name, CASE WHEN x.relation IS NULL THEN 'missing' ELSE 'disabled' END), NULL, NULL,
      format('ALTER TABLE %s ENABLE TRIGGER %I', x.relation, x.name),
      CASE WHEN x.relation IS NULL THEN 'resumer-daemon doctor' END);
  END LOOP;
  SELECT o.enabled, encode(sha256(convert_to(o.definition::text, 'UTF8')), 'hex') AS sha256, o.workflow_id INTO w
  FROM service_schema.workflow_executions e JOIN service_schema.workflows o ON o.id = e.workflow_id WHERE e.id = execution;
  IF p.definition <> w.sha256 THEN
    RETURN NEXT resumer.reason(60, 'definition_changed', 'Its workflow has changed. It continues with the definition that it was'
      ' paused with.', NULL, NULL, format('SELECT body FROM resumer.definitions WHERE sha256 = %L', p.definition));
  END IF;
  IF w.enabled = false THEN
    RETURN NEXT resumer.reason(61, 'workflow_disabled', format('Its workflow %s is disabled. That prevents starts, but paused'
      ' executions still resume.', w.workflow_id));
  END IF;
  FOR x IN SELECT * FROM resumer.outbox o WHERE o.execution_id = execution AND o.kind = 'notify'
    AND (o.state = 'dead' OR (o.state = 'pending' AND o.attempts > 0)) ORDER BY o.created_at
  LOOP
    RETURN NEXT resumer.reason(53, CASE x.state WHEN 'dead' THEN 'message_dead' ELSE 'message_late' END, format(
      'A notification %s after %s attempts: %s.', CASE x.state WHEN 'dead' THEN 'was given up' ELSE 'is not delivered' END,
      x.attempts, coalesce(x.error, 'no reason given')
        || CASE WHEN x.next_at > statement_timestamp() AND x.state = 'pending' THEN '; the next attempt is due in '
          || resumer.format_age(x.next_at) ELSE '' END), x.created_at, CASE x.state WHEN 'pending' THEN x.next_at END,
      NULL, CASE x.state WHEN 'dead' THEN 'resumer-daemon outbox retry ' || resumer.shell(x.key) END);
  END LOOP;
END
$f$;

-- Return why an execution does not continue, and what would change that. The first sentence is the summary.
CREATE OR REPLACE FUNCTION resumer.explain(execution_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  a record;
  p resumer.pauses;
  reasons jsonb;
BEGIN
  SELECT * INTO a FROM resumer.execution_summary(explain.execution_id);
  IF a.status IS NULL THEN
    RAISE EXCEPTION 'no execution %', execution_id
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  SELECT * INTO p FROM resumer.pauses o WHERE o.execution_id = explain.execution_id AND o.resumed_at IS NULL;
  SELECT jsonb_agg(w.reason - 'rank' ORDER BY (w.reason ->> 'rank')::integer, w.reason ->> 'since', w.reason ->> 'sentence')
  INTO reasons
  FROM (
    SELECT resumer.explain_status(explain.execution_id) UNION ALL
    SELECT resumer.explain_requests(p, explain.execution_id) UNION ALL
    SELECT o.reason FROM (
      SELECT resumer.explain_blockers(explain.execution_id, a.execution_key) UNION ALL
      SELECT resumer.explain_running(explain.execution_id, a.execution_key) UNION ALL
      SELECT resumer.explain_approval(b, a.execution_key) FROM resumer.branches_of(p) AS b UNION ALL
      SELECT resumer.explain_waiting(b, explain.execution_id, a.execution_key) FROM resumer.branches_of(p) AS b UNION ALL
      SELECT resumer.explain_health(p, explain.execution_id)) AS o (reason)
    WHERE a.status NOT IN ('completed', 'failed', 'cancelled')) AS w (reason);
  RETURN jsonb_build_object('id', execution_id, 'execution_id', a.execution_key, 'workflow', a.workflow,
    'organization_id', a.organization_id, 'status', a.status, 'pause_number', p.number, 'summary', reasons #>> '{0,sentence}', 'reasons', reasons);
END
$f$;

-- The same, by the key (`exec_...`) or the id as text. A literal without a type calls this, also if it is a UUID.
CREATE OR REPLACE FUNCTION resumer.explain(execution_id text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.explain(resumer.find(execution_id)) $f$;

REVOKE ALL ON FUNCTION resumer.format_age(timestamptz),
  resumer.reason(integer, text, text, timestamptz, timestamptz, text, text), resumer.explain_status(uuid),
  resumer.explain_running(uuid, text), resumer.explain_blockers(uuid, text), resumer.explain_approval(resumer.pauses, text),
  resumer.explain_waiting(resumer.pauses, uuid, text), resumer.explain_requests(resumer.pauses, uuid),
  resumer.explain_health(resumer.pauses, uuid), resumer.explain(uuid), resumer.explain(text) FROM PUBLIC;
