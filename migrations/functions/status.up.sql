-- SQL API, status: `resumer.status`. Programs, HTTP and the views call it. Locks: none.

-- Return the status of one execution, for programs. `resumer.explain` gives the reasons, for people.
CREATE OR REPLACE FUNCTION resumer.status(execution_id uuid) RETURNS jsonb
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
    'pause_number', p.number, 'paused_step_id', p.step_id,
    'next_step_id', CASE p.reason WHEN 'manual' THEN coalesce(p.next_steps ->> 'approved', p.next_steps ->> 'event', p.step_id)
      WHEN 'incident' THEN p.step_id ELSE coalesce(p.next_steps ->> 'approved', p.next_steps ->> 'event') END,
    'on_reject', p.next_steps ->> 'refused', 'on_timeout', coalesce(p.next_steps ->> 'expired', p.next_steps ->> 'timeout'),
    'waiting_for', CASE WHEN p.number IS NOT NULL THEN resumer.waiting_for(resumer.longest_branch_of(p)) END,
    'branches', CASE WHEN p.number IS NOT NULL THEN (
      SELECT jsonb_agg(jsonb_build_object('step_id', b.step_id, 'reason', b.reason, 'since', b.paused_at,
        'waiting_for', resumer.waiting_for(b)) ORDER BY b.paused_at) FROM resumer.branches_of(p) AS b) END,
    'resume_count', coalesce(e.resume_count, 0), 'last_resumed_at', e.last_resumed_at AT TIME ZONE zone)
  INTO stood
  FROM service_schema.workflow_executions e CROSS JOIN LATERAL resumer.execution_summary(e.id) AS a WHERE e.id = status.execution_id;
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

-- The same, by the key (`exec_...`) or the id as text. A literal without a type calls this, also if it is a UUID.
CREATE OR REPLACE FUNCTION resumer.status(execution_id text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.status(resumer.find(execution_id)) $f$;

REVOKE ALL ON FUNCTION resumer.status(uuid), resumer.status(text) FROM PUBLIC;
