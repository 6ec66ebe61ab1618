-- The rest of why an execution stands where it stands, and `resumer.explain`, which puts the reasons in order: what keeps
-- it first, what it would wait for next, what is wrong around it last.

-- What was asked for and is not done, or could not be done.
CREATE FUNCTION resumer.why_asked(p resumer.pauses, execution uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  r record;
  what text;
BEGIN
  FOR r IN SELECT * FROM resumer.resume_requests o WHERE o.execution_id = execution AND o.kind NOT IN ('start', 'adopt')
    ORDER BY o.id DESC LIMIT 20
  LOOP
    what := format('%s%s%s %s ago', r.kind, coalesce(' (' || r.decision || ')', ''), coalesce(' of ' || r.actor, ''),
      resumer.lasting(r.requested_at));
    IF r.outcome IS NULL AND r.kind = 'timeout' AND r.due_at > clock_timestamp() AND r.source_id IS NULL THEN
      RETURN NEXT resumer.reason(41, 'timer_set', format('In %s its time is over; then it goes to %s.', resumer.lasting(r.due_at),
        coalesce(p.ways ->> 'timeout', p.ways ->> 'expired', p.ways ->> 'event', 'its end')), r.requested_at, r.due_at);
    ELSIF r.kind = 'pause' AND (r.outcome IS NULL OR r.outcome = 'held') THEN
      RETURN NEXT resumer.reason(12, 'pause_asked', format('%s wants it paused%s: it stops before its next step.', r.actor,
        coalesce(' (' || r.reason || ')', '')), r.requested_at);
    ELSIF r.outcome IS NULL AND r.due_at <= clock_timestamp() THEN
      RETURN NEXT resumer.reason(40, 'request_open', format('A request is due and not taken: %s.', what), r.due_at, NULL,
        'SELECT * FROM resumer.lag ORDER BY due_at LIMIT 10', 'resumer-daemon doctor');
    ELSIF r.outcome = 'held' THEN
      RETURN NEXT resumer.reason(42, 'request_kept', format('A request is kept for later: %s.', what), r.requested_at);
    ELSIF r.outcome = 'failed' AND r.requested_at >= coalesce(p.paused_at, '-infinity') THEN
      RETURN NEXT resumer.reason(43, 'request_failed', format('A request could not be done as things stood: %s.', what),
        r.requested_at);
    ELSIF r.outcome IN ('late', 'too_late') THEN
      RETURN NEXT resumer.reason(44, 'decision_late', format('A request changed nothing, for it came %s: %s.',
        CASE r.outcome WHEN 'late' THEN 'after the decision had counted' ELSE 'after the end' END, what), r.requested_at);
    END IF;
  END LOOP;
END
$f$;

-- What around it is not as it should be: no daemon, no ear, no trigger, another definition, a message that nobody got.
CREATE FUNCTION resumer.why_around(p resumer.pauses, execution uuid) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  c resumer.control := (SELECT o FROM resumer.control o);
  here text[] := ARRAY(SELECT a.application_name FROM pg_stat_activity a WHERE a.datname = current_database());
  w record;
  x record;
BEGIN
  -- behind a pooler a backend has the name of whoever it served last
  IF NOT here && ARRAY['resumer-worker', 'resumer-listener', 'resumer-pool'] THEN
    RETURN NEXT resumer.reason(50, 'no_daemon', 'No daemon is connected to this database: nothing moves.', NULL, NULL, NULL,
      'resumer-daemon run');
  ELSIF 'resumer-listener' <> ALL (here) THEN
    RETURN NEXT resumer.reason(51, 'no_listener', 'A daemon is connected and does not listen: it finds requests when it looks'
      ' by itself, and not at once.', NULL, NULL, NULL, 'resumer-daemon doctor');
  END IF;
  SELECT i.version, i.host INTO w FROM resumer.instances i
  WHERE NOT i.dead AND to_jsonb(i.state_version) < coalesce(p.state -> 'v',
    (SELECT l.state -> 'v' FROM resumer.leases l WHERE l.execution_id = execution AND l.lease_until IS NOT NULL))
  ORDER BY i.started_at DESC LIMIT 1;
  IF FOUND THEN
    RETURN NEXT resumer.reason(13, 'incompatible_state', format('A newer version of resumer-daemon wrote its state: the daemon'
      ' on %s (version %s) leaves it alone.', w.host, w.version), NULL, NULL, NULL, 'resumer-daemon doctor');
  END IF;
  IF c.notify = 'off' OR (c.notify = 'auto' AND current_setting('max_prepared_transactions') <> '0') THEN
    RETURN NEXT resumer.reason(51, 'notify_off', format('Triggers do not notify (RESUMER_NOTIFY is %s): requests are found when a'
      ' daemon looks by itself.', c.notify), NULL, NULL, 'UPDATE resumer.control SET notify = ''on''');
  END IF;
  FOR x IN
    SELECT n.name, t.tgrelid::regclass AS relation FROM unnest(ARRAY['resumer_approval_insert', 'resumer_approval_update',
      'resumer_approval_delete', 'resumer_approval_move', 'resumer_event_insert', 'resumer_execution_insert', 'resumer_execution_update',
      'resumer_execution_rewrite', 'resumer_execution_write']) AS n (name)
    LEFT JOIN (pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = 'resumer'::regnamespace)
      ON t.tgname = n.name
    WHERE coalesce(t.tgenabled, 'D') NOT IN ('O', 'A') ORDER BY n.name
  LOOP
    RETURN NEXT resumer.reason(52, 'trigger_off', format('The trigger %s is %s: what it would tell is found by the reconciler'
      ' alone.', x.name, CASE WHEN x.relation IS NULL THEN 'missing' ELSE 'disabled' END), NULL, NULL,
      format('ALTER TABLE %s ENABLE TRIGGER %I', x.relation, x.name),
      CASE WHEN x.relation IS NULL THEN 'resumer-daemon doctor' END);
  END LOOP;
  SELECT o.enabled, encode(sha256(convert_to(o.definition::text, 'UTF8')), 'hex') AS sha256, o.workflow_id INTO w
  FROM service_schema.workflow_executions e JOIN service_schema.workflows o ON o.id = e.workflow_id WHERE e.id = execution;
  IF p.definition <> w.sha256 THEN
    RETURN NEXT resumer.reason(60, 'definition_changed', 'Its workflow was changed since: it goes on with the definition that it'
      ' was paused with.', NULL, NULL, format('SELECT body FROM resumer.definitions WHERE sha256 = %L', p.definition));
  END IF;
  IF w.enabled = false THEN
    RETURN NEXT resumer.reason(61, 'workflow_disabled', format('Its workflow %s is disabled: that refuses starts; what is paused'
      ' still resumes.', w.workflow_id));
  END IF;
  FOR x IN SELECT * FROM resumer.outbox o WHERE o.execution_id = execution AND o.kind = 'notify'
    AND (o.state = 'dead' OR (o.state = 'pending' AND o.attempts > 0)) ORDER BY o.created_at
  LOOP
    RETURN NEXT resumer.reason(53, CASE x.state WHEN 'dead' THEN 'message_dead' ELSE 'message_late' END, format(
      'A notification of it %s after %s attempts: %s.', CASE x.state WHEN 'dead' THEN 'was given up' ELSE 'is not delivered' END,
      x.attempts, coalesce(x.error, 'no reason was written')
        || CASE WHEN x.next_at > clock_timestamp() AND x.state = 'pending' THEN '; the next attempt is due in '
          || resumer.lasting(x.next_at) ELSE '' END), x.created_at, CASE x.state WHEN 'pending' THEN x.next_at END,
      NULL, CASE x.state WHEN 'dead' THEN 'resumer-daemon outbox retry ' || resumer.shell(x.key) END);
  END LOOP;
END
$f$;

-- Why an execution stands where it stands, and what would move it. The first sentence is the summary.
CREATE FUNCTION resumer.explain(execution_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  a record;
  p resumer.pauses;
  reasons jsonb;
BEGIN
  SELECT * INTO a FROM resumer.about(explain.execution_id);
  IF a.status IS NULL THEN
    RAISE EXCEPTION 'no execution %', execution_id
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  SELECT * INTO p FROM resumer.pauses o WHERE o.execution_id = explain.execution_id AND o.resumed_at IS NULL;
  SELECT jsonb_agg(w.reason - 'rank' ORDER BY (w.reason ->> 'rank')::integer, w.reason ->> 'since', w.reason ->> 'sentence')
  INTO reasons
  FROM (
    SELECT resumer.why_not_open(explain.execution_id) UNION ALL
    SELECT resumer.why_asked(p, explain.execution_id) UNION ALL
    SELECT o.reason FROM (
      SELECT resumer.why_kept(explain.execution_id, a.execution_key) UNION ALL
      SELECT resumer.why_running(explain.execution_id, a.execution_key) UNION ALL
      SELECT resumer.why_approval(b, a.execution_key) FROM resumer.branches_of(p) AS b UNION ALL
      SELECT resumer.why_waiting(b, explain.execution_id, a.execution_key) FROM resumer.branches_of(p) AS b UNION ALL
      SELECT resumer.why_around(p, explain.execution_id)) AS o (reason)
    WHERE a.status NOT IN ('completed', 'failed', 'cancelled')) AS w (reason);
  RETURN jsonb_build_object('id', execution_id, 'execution_id', a.execution_key, 'workflow', a.workflow,
    'organization_id', a.organization_id, 'status', a.status, 'summary', reasons #>> '{0,sentence}', 'reasons', reasons);
END
$f$;

REVOKE ALL ON FUNCTION resumer.why_asked(resumer.pauses, uuid), resumer.why_around(resumer.pauses, uuid),
  resumer.explain(uuid) FROM PUBLIC;
