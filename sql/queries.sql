-- Everything that is only read, for people and programs.
-- Run by store/queries.py.

-- name: list_executions
-- List executions with what the paused ones wait for, newest first or in another order. A filter that is NULL lets
-- everything pass.
SELECT
  e.id,
  e.execution_id,
  w.workflow_id AS workflow,
  e.status,
  e.result,
  p.reason AS paused_for,
  p.step_id AS paused_at_step,
  p.paused_at,
  p.manual_pause ->> 'actor' AS held_by,
  p.waiting ->> 'event' AS event,
  p.incident ->> 'cause' AS cause,
  a.asked,
  e.error_message AS error,
  e.started_at AT TIME ZONE %(timezone)s AS started_at
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
LEFT JOIN workflows w ON w.id = e.workflow_id
LEFT JOIN LATERAL (
  SELECT array_agg(coalesce(o.approver_role, o.approver_id::text, o.request_id) ORDER BY o.requested_at) AS asked
  FROM approval_requests o
  WHERE o.execution_id = e.id AND o.status = 'pending' AND p.reason = 'approval_required'
    AND (o.id = ANY (p.approval_ids) OR o.id <> ALL (p.prior_approval_ids))) AS a ON true
WHERE (%(status)s::text IS NULL OR e.status = %(status)s)
  AND (%(workflow)s::text IS NULL OR w.workflow_id = %(workflow)s)
  AND (%(reason)s::text IS NULL OR p.reason = %(reason)s)
  AND (%(role)s::text IS NULL OR %(role)s = ANY (a.asked))
  AND (%(seconds)s::float8 IS NULL OR p.paused_at < clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY
  CASE %(sort)s WHEN 'paused' THEN p.paused_at END,
  CASE %(sort)s WHEN 'workflow' THEN w.workflow_id END,
  CASE %(sort)s WHEN 'status' THEN e.status END,
  e.started_at DESC NULLS LAST, e.id
LIMIT %(limit)s

-- name: select_executions
-- Select the executions of a bulk command. A running execution counts as long as a daemon runs it.
SELECT e.execution_id, w.workflow_id AS workflow, e.status, p.reason AS paused_for, p.step_id AS paused_at_step, p.paused_at,
  p.number AS pause_number
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
LEFT JOIN workflows w ON w.id = e.workflow_id
WHERE e.status IN ('pending', 'running', 'paused')
  AND e.status = ANY (%(statuses)s::text[])
  AND (%(workflow)s::text IS NULL OR w.workflow_id = %(workflow)s)
  AND (%(reason)s::text IS NULL OR p.reason = %(reason)s)
  AND (%(seconds)s::float8 IS NULL OR p.paused_at < clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY p.paused_at, e.execution_id

-- name: show_execution
-- Show everything about one execution, found by its id or key.
SELECT
  e.id,
  e.execution_id,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow,
  e.status,
  e.result,
  e.error_message AS error,
  e.started_at AT TIME ZONE %(timezone)s AS started_at,
  e.completed_at AT TIME ZONE %(timezone)s AS completed_at,
  e.resume_count,
  e.last_resumed_at AT TIME ZONE %(timezone)s AS last_resumed_at,
  e.resume_data::text AS resume_data,
  coalesce((
    SELECT json_agg(json_build_object(
      'step', s.step_id, 'type', s.step_type, 'status', s.status, 'reason', s.output ->> 'reason',
      'result', CASE s.step_type WHEN 'condition' THEN s.output #> '{data,result}' END,
      'comparisons', CASE s.step_type WHEN 'condition' THEN s.output #> '{data,comparisons}' END, 'error', s.error_message, 'at', s.completed_at AT TIME ZONE %(timezone)s) ORDER BY s.started_at, s.completed_at)
    FROM step_executions s WHERE s.execution_id = e.id)::text, '[]') AS steps,
  coalesce((
    SELECT json_agg(json_build_object(
      'number', p.number, 'reason', p.reason, 'step', p.step_id, 'waiting', p.waiting, 'incident', p.incident,
      'held', p.manual_pause, 'paused_at', p.paused_at, 'resumed_at', p.resumed_at, 'resumed_by', p.resumed_by) ORDER BY p.number)
    FROM resumer.pauses p WHERE p.execution_id = e.id)::text, '[]') AS pauses,
  coalesce((
    SELECT json_agg(json_build_object(
      'request_id', a.request_id, 'role', a.approver_role, 'status', a.status, 'reason', a.reason,
      'decision_reason', a.decision_reason, 'approver_id', a.approver_id,
      'requested_at', a.requested_at AT TIME ZONE %(timezone)s, 'decided_at', a.decided_at AT TIME ZONE %(timezone)s,
      'expires_at', a.expires_at AT TIME ZONE %(timezone)s)
      ORDER BY a.requested_at, a.id)
    FROM approval_requests a WHERE a.execution_id = e.id)::text, '[]') AS approvals,
  coalesce((
    SELECT json_agg(json_build_object(
      'id', r.id, 'kind', r.kind, 'decision', r.decision, 'outcome', r.outcome, 'actor', r.actor, 'reason', r.reason,
      'requested_at', r.requested_at, 'due_at', r.due_at, 'finished_at', r.finished_at) ORDER BY r.id)
    FROM resumer.requests r WHERE r.execution_id = e.id)::text, '[]') AS requests,
  coalesce((
    SELECT json_agg(json_build_object(
      'key', f.key, 'kind', f.kind, 'path', f.path, 'status', f.status, 'attempts', f.attempts, 'error', f.error,
      'intended_at', f.intended_at, 'next_at', f.next_at, 'finished_at', f.finished_at) ORDER BY f.intended_at)
    FROM resumer.effects f WHERE f.execution_id = e.id)::text, '[]') AS effects,
  coalesce((
    SELECT json_agg(json_build_object(
      'key', o.key, 'kind', o.kind, 'state', o.state, 'attempts', o.attempts, 'error', o.error,
      'created_at', o.created_at, 'delivered_at', o.delivered_at) ORDER BY o.created_at)
    FROM resumer.outbox o WHERE o.execution_id = e.id)::text, '[]') AS messages
FROM workflow_executions e
WHERE e.id = resumer.find(%(key)s)

-- name: explain
-- Explain why an execution does not continue. The document is a text, because a match may hold any number.
SELECT resumer.explain(resumer.find(%(key)s))::text AS explained

-- name: list_ledger
-- List settled requests, newest first. A filter that is NULL lets everything pass.
SELECT l.*
FROM resumer.ledger l
WHERE (%(key)s::text IS NULL OR l.execution_id = resumer.find(%(key)s))
  AND (%(kind)s::text IS NULL OR l.kind = %(kind)s)
  AND (%(outcome)s::text IS NULL OR l.outcome = %(outcome)s)
  AND (%(seconds)s::float8 IS NULL OR l.requested_at > clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY l.request DESC
LIMIT %(limit)s

-- name: list_incidents
-- List open incidents, oldest first.
SELECT i.* FROM resumer.incidents i ORDER BY i.paused_at LIMIT %(limit)s

-- name: stats
-- Count executions by status, pauses by reason, late requests, requests settled in the last hour, leases and daemons.
SELECT jsonb_build_object(
  'executions', (
    SELECT coalesce(jsonb_object_agg(s.status, s.number), '{}') FROM (
      SELECT e.status, count(*) AS number FROM workflow_executions e
      WHERE e.status IN ('pending', 'running', 'waiting', 'paused') GROUP BY e.status) AS s),
  'paused', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('reason', s.reason, 'number', s.number, 'oldest', s.oldest) ORDER BY s.reason), '[]')
    FROM (
      SELECT p.reason, count(*) AS number, min(p.paused_at) AS oldest FROM resumer.pauses p
      WHERE p.resumed_at IS NULL GROUP BY p.reason) AS s),
  'lag', (
    SELECT jsonb_build_object('number', count(*), 'oldest', min(l.due_at)) FROM (
      SELECT o.due_at FROM resumer.lag o ORDER BY o.due_at LIMIT 10001) AS l),
  'last_hour', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'outcome', s.outcome, 'number', s.number,
      'median_seconds', s.median) ORDER BY s.kind, s.outcome), '[]')
    FROM (
      SELECT r.kind, r.outcome, count(*) AS number,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.finished_at - r.requested_at)) AS median
      FROM (SELECT o.* FROM resumer.settled_requests o ORDER BY o.id DESC LIMIT 100000) AS r
      WHERE r.finished_at > clock_timestamp() - interval '1 hour' AND r.kind <> 'adopt' GROUP BY r.kind, r.outcome) AS s),
  'holds', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('workflow', coalesce(h.workflow_id, '*'), 'actor', h.actor,
      'reason', h.reason, 'held_at', h.held_at, 'until', h.until) ORDER BY h.id), '[]')
    FROM resumer.holds h WHERE h.released_at IS NULL),
  'leases', (SELECT count(*) FROM resumer.leases l WHERE l.lease_until IS NOT NULL),
  'messages', (
    SELECT coalesce(jsonb_object_agg(s.state, s.number), '{}') FROM (
      SELECT o.state, count(*) AS number FROM resumer.outbox o WHERE o.state <> 'delivered' GROUP BY o.state) AS s),
  'daemons', least( -- a pooler may show one name on several backends, and a killed daemon leaves its instance
    (SELECT count(*) FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.application_name = 'resumer-worker'),
    (SELECT count(*) FROM resumer.instances i WHERE NOT i.dead)))::text AS stats

-- name: paused_by_step
-- Group the paused executions of a workflow by the place where they are paused. `kept`: the copy of the definition
-- exists. A pause of another program has none. Its place is its pointer or its last step.
SELECT
  paused.version,
  paused.reason,
  paused.step_id,
  paused.next_steps,
  paused.kept,
  min(paused.paused_at) AS since,
  array_agg(paused.execution_id ORDER BY paused.paused_at, paused.execution_id) AS executions
FROM (
  SELECT
    e.execution_id,
    w.version,
    CASE WHEN p.number IS NULL THEN 'approval_required' ELSE coalesce(p.incident ->> 'reason', p.reason) END AS reason,
    CASE WHEN p.number IS NULL THEN coalesce(
      e.paused_step_id, --? pointers
      (SELECT s.step_id FROM step_executions s WHERE s.execution_id = e.id
       ORDER BY s.started_at DESC NULLS LAST, s.completed_at DESC NULLS LAST LIMIT 1)) ELSE p.step_id END AS step_id,
    coalesce(p.next_steps, '{}')::text AS next_steps,
    EXISTS (SELECT FROM resumer.definitions d WHERE d.sha256 = p.definition) AS kept,
    coalesce(p.paused_at, e.paused_at AT TIME ZONE %(timezone)s) AS paused_at
  FROM workflow_executions e
  JOIN workflows w ON w.id = e.workflow_id
  LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
  WHERE w.workflow_id = %(workflow)s AND e.status = 'paused') AS paused
GROUP BY paused.version, paused.reason, paused.step_id, paused.next_steps, paused.kept
ORDER BY since, paused.step_id

-- name: find_in_scope
-- The id of the execution with this key, where the caller reaches it.
SELECT e.id
FROM workflow_executions e
WHERE e.execution_id = %(key)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: key_in_scope
-- The key of the execution with this id, where the caller reaches it.
SELECT e.execution_id AS key
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: status_in_scope
-- Return the status document of an execution in the caller's scope.
SELECT resumer.status(e.id)::text AS document
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: explain_in_scope
-- Explain why an execution in the caller's scope does not continue.
SELECT resumer.explain(e.id)::text AS document
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: resume_options_in_scope
-- Return the facts that decide which moves are possible for an execution in the caller's scope.
SELECT e.execution_id AS key, e.status, p.reason, p.number AS pause_number, p.manual_pause ->> 'before' AS over, p.step_id AS step, p.next_steps::text AS next_steps,
  (SELECT coalesce(array_agg(a.request_id ORDER BY a.requested_at, a.id), '{}') FROM approval_requests a
   WHERE a.execution_id = e.id AND a.status = 'pending' AND (a.id = ANY (p.approval_ids) OR a.id <> ALL (p.prior_approval_ids))) AS asked,
  -- webhooks that the flow still waits for: their keys are in the state from which a retry goes on
  (SELECT coalesce(array_agg(f.key ORDER BY f.intended_at, f.key), '{}') FROM resumer.effects f
   WHERE p.reason = 'incident' AND f.execution_id = e.id AND f.kind = 'webhook' AND f.status <> 'done'
     AND strpos(p.state::text, f.key) > 0) AS effects
FROM workflow_executions e
LEFT JOIN resumer.pauses p ON p.execution_id = e.id AND p.resumed_at IS NULL
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: page_paused
-- Return a page of paused executions in the caller's scope, the longest pause first. The indexes have them in this
-- order for each reason, of one organization or of all: `limit` rows of each are read, however many there are.
SELECT page.execution_id AS id, page.paused_at AS at, resumer.status(page.execution_id)::text AS document
FROM (
  SELECT p.execution_id, p.paused_at
  FROM unnest(%(reasons)s::text[]) AS r (reason)
  CROSS JOIN LATERAL (
    (SELECT o.execution_id, o.paused_at
     FROM resumer.pauses o
     JOIN workflow_executions e ON e.id = o.execution_id
     -- a range, and in its order: a plan for any reason or organisation would rather walk what all others have
     WHERE o.reason BETWEEN r.reason AND r.reason AND o.resumed_at IS NULL
       AND (o.paused_at, o.execution_id) > (coalesce(%(at)s::timestamptz, '-infinity'), %(id)s::uuid)
       AND %(everywhere)s --? organization
     ORDER BY o.reason, o.paused_at, o.execution_id
     LIMIT %(limit)s)
    UNION ALL --? organization
    (SELECT o.execution_id, o.paused_at --? organization
     FROM resumer.pauses o --? organization
     JOIN workflow_executions e ON e.id = o.execution_id --? organization
     WHERE NOT %(everywhere)s AND o.organization_id BETWEEN %(organization)s AND %(organization)s --? organization
       AND o.reason BETWEEN r.reason AND r.reason AND o.resumed_at IS NULL --? organization
       AND (o.paused_at, o.execution_id) > (coalesce(%(at)s::timestamptz, '-infinity'), %(id)s::uuid) --? organization
     ORDER BY o.organization_id, o.reason, o.paused_at, o.execution_id --? organization
     LIMIT %(limit)s) --? organization
  ) AS p
  ORDER BY p.paused_at, p.execution_id
  LIMIT %(limit)s) AS page
ORDER BY page.paused_at, page.execution_id

-- name: page_ledger
-- Return a page of the ledger in the caller's scope, newest first: of one execution, of one organization, or of all,
-- each by its index. Each is a range in the order of its index. Otherwise a generic plan would walk the primary key
-- past all other rows.
SELECT page.request AS id, to_jsonb(page)::text AS document
FROM (
  (SELECT l.* FROM resumer.ledger l
   WHERE %(execution)s::uuid IS NULL AND l.request < %(before)s
     AND %(everywhere)s --? organization
   ORDER BY l.request DESC
   LIMIT %(limit)s)
  UNION ALL --? organization
  (SELECT l.* FROM resumer.ledger l --? organization
   WHERE %(execution)s::uuid IS NULL AND NOT %(everywhere)s --? organization
     AND l.organization_id BETWEEN %(organization)s AND %(organization)s AND l.request < %(before)s --? organization
   ORDER BY l.organization_id DESC, l.request DESC --? organization
   LIMIT %(limit)s) --? organization
  UNION ALL
  (SELECT l.* FROM resumer.ledger l
   WHERE l.execution_id BETWEEN %(execution)s AND %(execution)s AND l.request < %(before)s
     AND (%(everywhere)s OR l.organization_id = %(organization)s) --? organization
   ORDER BY l.execution_id DESC, l.request DESC
   LIMIT %(limit)s)) AS page
ORDER BY page.request DESC
