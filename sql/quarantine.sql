-- End or stop one execution without reading its documents.
-- Run by store/quarantine.py.

-- name: stop_unread
-- Turn an execution into an incident without reading its documents or approvals, because no batch with it can finish.
-- Its row is locked already (claim.claim_given). An open pause keeps its wait condition. A running execution is
-- stopped at the state of its lease if `running`, otherwise whoever runs it continues. Due requests are parked. A
-- retry has failed.
WITH it AS MATERIALIZED (
  SELECT e.id, e.status FROM workflow_executions e
  WHERE e.id = ANY (current_setting('resumer.claimed')::uuid[])
    AND (e.status::text IN ('pending', 'paused') OR e.status::text = 'running' AND %(running)s)
), open_pause AS MATERIALIZED (
  SELECT p.execution_id, p.number FROM it JOIN LATERAL (
    SELECT * FROM resumer.pauses o WHERE o.execution_id = it.id AND o.resumed_at IS NULL ORDER BY o.number LIMIT 1) AS p ON true
), marked AS (
  UPDATE resumer.pauses p
  SET reason = 'incident', incident = %(incident)s::jsonb || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('reason',
    CASE WHEN p.reason = 'incident' THEN p.incident ->> 'reason'::text ELSE p.reason END))
  FROM open_pause o WHERE p.execution_id = o.execution_id AND p.number = o.number
), stood AS MATERIALIZED (
  SELECT l.execution_id, l.state, l.definition FROM it JOIN resumer.leases l ON l.execution_id = it.id
  WHERE it.status::text = 'running'
), opened AS (
  INSERT INTO resumer.pauses (execution_id, number, reason, step_id, next_steps, waiting, state, definition, incident, approval_ids, prior_approval_ids)
  SELECT it.id, 1 + coalesce((SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = it.id), 0), 'incident',
    s.state ->> 'step'::text, '{}', '{}', s.state, s.definition, %(incident)s::jsonb, '{}',
    ARRAY(SELECT a.id FROM approval_requests a WHERE a.execution_id = it.id)
  FROM it LEFT JOIN stood s ON s.execution_id = it.id
  WHERE NOT EXISTS (SELECT FROM open_pause)
), released AS (
  DELETE FROM resumer.leases l USING stood s WHERE l.execution_id = s.execution_id
), due AS MATERIALIZED (
  SELECT o.id, o.kind FROM resumer.resume_requests o
  WHERE o.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
    AND o.outcome IS NULL AND o.due_at <= statement_timestamp()
  LIMIT 20000
), kept AS (
  UPDATE resumer.resume_requests r SET outcome = 'held'
  WHERE r.id = ANY (ARRAY(SELECT d.id FROM due d WHERE d.kind::text <> 'retry'))
), failed AS (
  DELETE FROM resumer.resume_requests r WHERE r.id = ANY (ARRAY(SELECT d.id FROM due d WHERE d.kind::text = 'retry'))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome)
  SELECT f.id, f.execution_id, f.kind, f.source_id, f.decision, f.pause_number, f.payload, f.actor, f.reason, f.due_at,
    f.requested_at, 'failed'
  FROM failed f
)
UPDATE workflow_executions e SET
  status = 'paused',
  paused_step_id = CASE WHEN e.status::text = 'paused' THEN e.paused_step_id --? pointers
    ELSE (SELECT s.state ->> 'step'::text FROM stood s) END, --? pointers
  paused_at = CASE WHEN e.status::text = 'paused' THEN e.paused_at ELSE clock_timestamp() AT TIME ZONE %(timezone)s END,
  paused_reason = 'incident'
FROM it WHERE e.id = it.id
RETURNING e.id

-- name: cancel_unread
-- Settle the requests of a claimed execution that is cancelled without being read, except for the cancel itself, and
-- delete its event waits, as many as one statement may. Returns undecided approvals, up to a limit.
WITH others AS MATERIALIZED (
  SELECT r.id FROM resumer.resume_requests r
  WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND r.id <> %(cancel)s
  LIMIT 100000
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
), void AS (
  DELETE FROM resumer.resume_requests r WHERE r.id = ANY (ARRAY(SELECT a.id FROM others a))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome, organization_id)
  SELECT v.id, v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, v.payload, v.actor, v.reason, v.due_at,
    v.requested_at,
    CASE v.kind WHEN 'start' THEN 'duplicate' WHEN 'timeout' THEN 'superseded' WHEN 'adopt' THEN 'superseded'
      WHEN 'event' THEN 'superseded' ELSE 'too_late' END,
    %(organization)s::uuid
  FROM void v
)
SELECT p.id FROM (
  -- by the execution: there may be more that are pending than anything else
  SELECT * FROM approval_requests o WHERE o.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) OFFSET 0) AS p
WHERE p.status = 'pending'
LIMIT 20000
