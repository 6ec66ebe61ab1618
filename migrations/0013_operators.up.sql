-- What people look at, and how they stop one execution. The views and functions read the service's tables through
-- functions whose text names them: a view on a column of the service would forbid the service to change it.

-- What an execution is called: where there are no organisations, the name in the subselect finds the NULL beside it.
CREATE FUNCTION resumer.about(
  execution uuid, OUT execution_key text, OUT workflow text, OUT organization_id uuid, OUT status text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
BEGIN
  SELECT e.execution_id, (SELECT w.workflow_id FROM service_schema.workflows w WHERE w.id = e.workflow_id),
    (SELECT organization_id FROM service_schema.workflow_executions o WHERE o.id = e.id), e.status
  INTO execution_key, workflow, about.organization_id, status
  FROM service_schema.workflow_executions e, (SELECT NULL::uuid AS organization_id) AS none
  WHERE e.id = about.execution;
END
$f$;

-- An execution by its key (execution_id) or its id, as people have it at hand.
CREATE FUNCTION resumer.find(key text) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  found uuid;
BEGIN
  SELECT e.id INTO found FROM service_schema.workflow_executions e WHERE e.execution_id = find.key;
  IF found IS NULL AND find.key ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN
    SELECT e.id INTO found FROM service_schema.workflow_executions e WHERE e.id = find.key::uuid;
  END IF;
  IF found IS NULL THEN
    RAISE EXCEPTION 'no execution %', resumer.quoted(find.key)
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  RETURN found;
END
$f$;

-- The approvals that belong to a pause, as they stand now, oldest first. A time that no clock reaches is none.
CREATE FUNCTION resumer.approvals_of(p resumer.pauses) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'id', a.id, 'request_id', a.request_id, 'status', a.status, 'role', a.approver_role, 'approver_id', a.approver_id,
      'reason', a.reason, 'requested_at', a.requested_at AT TIME ZONE c.service_timezone,
      'expires_at', CASE WHEN a.expires_at < '9999-01-01' AND a.expires_at > '0001-01-01'
        THEN a.expires_at AT TIME ZONE c.service_timezone END) ORDER BY a.requested_at, a.id), '[]')
    FROM service_schema.approval_requests a, resumer.control c
    WHERE a.execution_id = p.execution_id AND (a.id = ANY (p.asked) OR a.id <> ALL (p.earlier))
      -- one that was moved here after it was applied elsewhere counts nowhere; a count, for an anti join would read all
      AND (SELECT count(*) FROM resumer.resume_requests r WHERE r.source_id = a.id AND r.kind = 'approval'
        AND r.outcome = 'applied' AND r.execution_id <> a.execution_id) = 0);
END
$f$;

-- How many approvals a pause needs. `firm`: they were counted at a pause of another program, and less what is deleted.
CREATE FUNCTION resumer.approvals_needed(p resumer.pauses, approvals jsonb) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT CASE WHEN p.waiting ? 'firm' THEN greatest((p.waiting ->> 'firm')::integer, (p.waiting ->> 'approvals')::integer
      - (SELECT count(*) FROM unnest(p.asked) AS a (id) WHERE NOT approvals @> jsonb_build_array(jsonb_build_object('id', a.id)))::integer)
    ELSE coalesce((p.waiting ->> 'approvals')::integer, nullif(jsonb_array_length(p.waiting -> 'roles'), 0),
      jsonb_array_length(approvals)) END
$f$;

-- What a pause waits for, by its reason: approvals, an event, a time, a person who holds it, a person who looks.
CREATE FUNCTION resumer.waiting_for(p resumer.pauses) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT CASE p.reason
    WHEN 'approval_required' THEN (
      SELECT jsonb_build_object('approvals', a.list, 'needed', resumer.approvals_needed(p, a.list),
        'roles', coalesce(p.waiting -> 'roles', '[]'))
      FROM resumer.approvals_of(p) AS a (list))
    WHEN 'manual' THEN coalesce(p.held, '{}')
    WHEN 'incident' THEN coalesce(p.incident, '{}')
    ELSE p.waiting
  END
$f$;

-- The branches of a pause, each as a pause of its own, the one that has waited longest first: what waits inside of a
-- parallel or a foreach is kept in the state. An approval that no step asked for counts for the first that asks for any.
CREATE FUNCTION resumer.branches_of(p resumer.pauses) RETURNS SETOF resumer.pauses
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  waits jsonb := CASE WHEN p.reason NOT IN ('manual', 'incident') THEN (
    SELECT jsonb_agg(d.value -> 'waits' ORDER BY (d.value #>> '{waits,since}')::timestamptz)
    FROM jsonb_each(p.state -> 'done') AS d WHERE d.value ? 'waits') END;
  w jsonb;
  there uuid[];
  asks boolean := true;
BEGIN
  IF waits IS NULL THEN
    RETURN NEXT p;
    RETURN;
  END IF;
  there := ARRAY(SELECT a.id FROM service_schema.approval_requests a WHERE a.execution_id = p.execution_id);
  FOR w IN SELECT * FROM jsonb_array_elements(waits) LOOP
    RETURN NEXT jsonb_populate_record(p, jsonb_build_object('reason', w -> 'reason', 'step_id', w -> 'step',
      'ways', w -> 'ways', 'waiting', w -> 'waiting', 'asked', w -> 'asked', 'paused_at', w -> 'since',
      'earlier', CASE WHEN asks THEN to_jsonb(p.earlier || p.asked) ELSE to_jsonb(there) END));
    asks := asks AND w ->> 'reason' <> 'approval_required';
  END LOOP;
END
$f$;

-- The branch that a pause shows: the one that has waited longest, whose approvals alone count for it.
CREATE FUNCTION resumer.shown_of(p resumer.pauses) RETURNS resumer.pauses
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT b FROM resumer.branches_of(p) AS b LIMIT 1 $f$;

-- Paused executions and what they wait for: of several branches, the one that has waited longest.
CREATE VIEW resumer.inbox AS
SELECT p.execution_id, a.execution_key, a.workflow, p.organization_id, p.number AS pause_number, p.reason, p.step_id,
  p.paused_at, clock_timestamp() - p.paused_at AS age, resumer.waiting_for(resumer.shown_of(p)) AS waiting_for
FROM resumer.pauses p CROSS JOIN LATERAL resumer.about(p.execution_id) AS a
WHERE p.resumed_at IS NULL;

-- Requests that are due and not settled, by age: the daemon's arrears.
CREATE VIEW resumer.lag AS
SELECT r.id AS request, r.kind, r.execution_id, r.decision, r.actor, r.reason, r.requested_at, r.due_at,
  clock_timestamp() - r.due_at AS age
FROM resumer.resume_requests r
WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp();

-- Decisions, and all else that people and clocks asked for, with what became of each.
CREATE VIEW resumer.ledger AS
SELECT r.id AS request, r.execution_id, a.execution_key, a.workflow, r.organization_id, r.kind, r.decision, r.source_id,
  r.pause_number, r.actor, r.reason, r.requested_at, r.outcome, r.finished_at, r.finished_at - r.requested_at AS took
FROM resumer.resume_requests r CROSS JOIN LATERAL resumer.about(r.execution_id) AS a
WHERE r.outcome IS NOT NULL AND r.kind <> 'adopt';

-- What waits for a person because the daemon must not decide it.
CREATE VIEW resumer.incidents AS
SELECT p.execution_id, a.execution_key, a.workflow, p.organization_id, p.number AS pause_number, p.step_id,
  p.incident ->> 'cause' AS cause, p.incident ->> 'detail' AS detail, p.incident ->> 'remedy' AS remedy,
  p.incident ->> 'reason' AS over, p.paused_at, clock_timestamp() - p.paused_at AS age
FROM resumer.pauses p CROSS JOIN LATERAL resumer.about(p.execution_id) AS a
WHERE p.resumed_at IS NULL AND p.reason = 'incident';

-- Stop one execution before its next step, or hold it where it is paused already: decisions that arrive are kept, and
-- count after the resume. Refused for what another program runs. Returns the request's id.
CREATE FUNCTION resumer.pause(execution_id uuid, reason text DEFAULT NULL, actor text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  found text := (resumer.about(execution_id)).status;
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
    RAISE EXCEPTION 'execution % is held by hand already', execution_id
      USING ERRCODE = 'RZ409', HINT = 'SELECT resumer.resume(...) ends it';
  END IF;
  RETURN resumer.ask(execution_id, 'pause', actor, reason, NULL, ARRAY['pending', 'running', 'paused']);
END
$f$;

-- One execution as it stands: for programs. `resumer.explain` says why, for people.
CREATE FUNCTION resumer.status(execution_id uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
#variable_conflict use_column
DECLARE
  zone text := (SELECT c.service_timezone FROM resumer.control c);
  p resumer.pauses;
  stood jsonb;
BEGIN
  SELECT * INTO p FROM resumer.pauses o WHERE o.execution_id = status.execution_id AND o.resumed_at IS NULL;
  SELECT jsonb_build_object(
    'id', e.id, 'execution_id', e.execution_id, 'workflow', a.workflow, 'organization_id', a.organization_id,
    'status', e.status, 'result', e.result, 'error', e.error_message,
    'started_at', e.started_at AT TIME ZONE zone, 'completed_at', e.completed_at AT TIME ZONE zone,
    'paused_at', coalesce(p.paused_at, e.paused_at AT TIME ZONE zone), 'paused_reason', coalesce(p.reason, e.paused_reason),
    'paused_step_id', p.step_id,
    'next_step_id', CASE p.reason WHEN 'manual' THEN coalesce(p.ways ->> 'approved', p.ways ->> 'event', p.step_id)
      WHEN 'incident' THEN p.step_id ELSE coalesce(p.ways ->> 'approved', p.ways ->> 'event') END,
    'on_reject', p.ways ->> 'refused', 'on_timeout', coalesce(p.ways ->> 'expired', p.ways ->> 'timeout'),
    'waiting_for', CASE WHEN p.number IS NOT NULL THEN resumer.waiting_for(resumer.shown_of(p)) END,
    'branches', CASE WHEN p.number IS NOT NULL THEN (
      SELECT jsonb_agg(jsonb_build_object('step_id', b.step_id, 'reason', b.reason, 'since', b.paused_at,
        'waiting_for', resumer.waiting_for(b)) ORDER BY b.paused_at) FROM resumer.branches_of(p) AS b) END,
    'resume_count', coalesce(e.resume_count, 0), 'last_resumed_at', e.last_resumed_at AT TIME ZONE zone)
  INTO stood
  FROM service_schema.workflow_executions e CROSS JOIN LATERAL resumer.about(e.id) AS a WHERE e.id = status.execution_id;
  IF stood IS NULL THEN
    RAISE EXCEPTION 'no execution %', execution_id
      USING ERRCODE = 'RZ404', HINT = 'SELECT id, execution_id, status FROM workflow_executions';
  END IF;
  RETURN stood || jsonb_build_object(
    'open_requests', (
      SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'kind', r.kind, 'decision', r.decision, 'actor', r.actor,
        'reason', r.reason, 'held', r.outcome IS NOT NULL, 'requested_at', r.requested_at, 'due_at', r.due_at)
        ORDER BY r.due_at, r.id), '[]')
      FROM resumer.resume_requests r
      WHERE r.execution_id = status.execution_id AND (r.outcome IS NULL OR r.outcome = 'held')),
    'lease', (
      SELECT jsonb_build_object('instance', l.instance, 'host', i.host, 'epoch', l.epoch, 'lease_until', l.lease_until)
      FROM resumer.leases l LEFT JOIN resumer.instances i ON i.id = l.instance
      WHERE l.execution_id = status.execution_id AND l.lease_until IS NOT NULL));
END
$f$;

REVOKE ALL ON FUNCTION resumer.about(uuid), resumer.find(text), resumer.approvals_of(resumer.pauses),
  resumer.approvals_needed(resumer.pauses, jsonb),
  resumer.waiting_for(resumer.pauses), resumer.branches_of(resumer.pauses), resumer.shown_of(resumer.pauses), resumer.pause(uuid, text, text), resumer.status(uuid) FROM PUBLIC;
