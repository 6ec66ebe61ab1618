-- The wait condition and the branches of a pause, for the views, `resumer.status` and `resumer.explain`. Locks: none.

-- Return the approvals that belong to a pause, oldest first. A time that no clock reaches is NULL.
CREATE OR REPLACE FUNCTION resumer.approvals_of(p resumer.pauses) RETURNS jsonb
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
    WHERE a.execution_id = p.execution_id AND (a.id = ANY (p.approval_ids) OR a.id <> ALL (p.prior_approval_ids))
      -- an approval that moved here after it was applied elsewhere does not count; count(), because an anti join would read all
      AND (SELECT count(*) FROM resumer.settled_requests r WHERE r.source_id = a.id AND r.kind = 'approval'
        AND r.outcome = 'applied' AND r.execution_id <> a.execution_id) = 0);
END
$f$;

-- Return how many approvals a pause needs, less those that were deleted. `firm`: counted at a pause of another program.
CREATE OR REPLACE FUNCTION resumer.approvals_needed(p resumer.pauses, approvals jsonb) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT CASE WHEN p.waiting ? 'firm' THEN greatest((p.waiting ->> 'firm')::integer, (p.waiting ->> 'approvals')::integer
      - (SELECT count(*) FROM unnest(p.approval_ids) AS a (id) WHERE NOT approvals @> jsonb_build_array(jsonb_build_object('id', a.id)))::integer)
    ELSE coalesce((p.waiting ->> 'approvals')::integer, nullif(jsonb_array_length(p.waiting -> 'roles'), 0),
      jsonb_array_length(approvals)) END
$f$;

-- Return what a pause waits for, by its reason: approvals, an event, a time, the end of a manual pause or of an incident.
CREATE OR REPLACE FUNCTION resumer.waiting_for(p resumer.pauses) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
  SELECT CASE p.reason
    WHEN 'approval_required' THEN (
      SELECT jsonb_build_object('approvals', a.list, 'needed', resumer.approvals_needed(p, a.list),
        'roles', coalesce(p.waiting -> 'roles', '[]'))
      FROM resumer.approvals_of(p) AS a (list))
    WHEN 'manual' THEN coalesce(p.manual_pause, '{}')
    WHEN 'incident' THEN coalesce(p.incident, '{}')
    ELSE p.waiting
  END
$f$;

-- Return the branches of a pause, each as a pause, the one that has waited longest first. Branches of a parallel or foreach are in
-- the state. An approval that no step requested counts for the first branch that requests any.
CREATE OR REPLACE FUNCTION resumer.branches_of(p resumer.pauses) RETURNS SETOF resumer.pauses
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
      'next_steps', w -> 'ways', 'waiting', w -> 'waiting', 'approval_ids', w -> 'asked', 'paused_at', w -> 'since',
      'prior_approval_ids', CASE WHEN asks THEN to_jsonb(p.prior_approval_ids || p.approval_ids) ELSE to_jsonb(there) END));
    asks := asks AND w ->> 'reason' <> 'approval_required';
  END LOOP;
END
$f$;

-- Return the branch that has waited longest. Views show it, and only its approvals count for it.
CREATE OR REPLACE FUNCTION resumer.longest_branch_of(p resumer.pauses) RETURNS resumer.pauses
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT b FROM resumer.branches_of(p) AS b LIMIT 1 $f$;

REVOKE ALL ON FUNCTION resumer.approvals_of(resumer.pauses), resumer.approvals_needed(resumer.pauses, jsonb),
  resumer.waiting_for(resumer.pauses), resumer.branches_of(resumer.pauses),
  resumer.longest_branch_of(resumer.pauses) FROM PUBLIC;
