-- Lock executions that have a due request, then read them.
-- Run by store/claim.py.

-- name: claim_due
-- Lock up to `limit` executions that have a due request, oldest first. Skip locked ones. If there are more than a
-- batch, also lock `newest` of those that came last: a bulk decision must not delay everybody else.
-- It only locks. Rows that a SKIP LOCKED join returns beside the lock are as old as its snapshot, so later statements
-- read everything. They find the ids in `resumer.claimed`, so they can be sent before this one has returned.
-- `resumer.holds` has the holds in force. Nobody can release them before this transaction has committed the requests
-- that they park. If no execution was locked, no hold is locked either, because a row lock is a write.
-- Executions in `without` are skipped: a newer version wrote their state, or a batch with them failed.
-- statement_timestamp(): clock_timestamp() is volatile and cannot be an index condition. `back`: requests that became
-- due earlier than that many seconds ago are not read, and neither are settled ones that an old snapshot keeps in the
-- index.
-- One batch reads about 16 MB of documents at most. Their size as text is unknown before it is produced: small
-- documents are stored up to 8 times smaller in practice, large ones up to 92 times at the very most. At least one
-- execution is taken.
WITH oldest AS MATERIALIZED (
  SELECT e.id, coalesce(pg_column_size(e.context), 0) + coalesce(pg_column_size(e.resume_data), 0)
    + coalesce(pg_column_size(e.trigger_payload), 0) AS stored
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at, r.id
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
), newest AS MATERIALIZED (
  SELECT e.id, coalesce(pg_column_size(e.context), 0) + coalesce(pg_column_size(e.resume_data), 0)
    + coalesce(pg_column_size(e.trigger_payload), 0) AS stored
  FROM resumer.resume_requests r
  JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
    AND r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[]))
  ORDER BY r.due_at DESC, r.id DESC
  LIMIT %(newest)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
), found AS (
  SELECT id, stored, row_number() OVER () AS place
  FROM (SELECT id, stored FROM oldest UNION ALL SELECT id, stored FROM newest) AS both_ends
), weighed AS (
  SELECT id, min(place) AS place, max(stored * CASE WHEN stored > 16384 THEN 92 ELSE 8 END) AS bytes FROM found GROUP BY id
), taken AS (
  SELECT id, sum(bytes) OVER (ORDER BY place) - bytes AS before FROM weighed
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM taken WHERE before < 16e6)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM taken) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds,
  extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS took

-- name: claim_given
-- Lock these executions of a batch that could not be written. Skip locked ones.
WITH free AS MATERIALIZED (
  SELECT e.id FROM workflow_executions e WHERE e.id = ANY (%(ids)s::uuid[]) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM free)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM free) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds

-- name: select_without_lock
-- Make the next statements read one execution without a lock. What they read is shown only, because it may be
-- outdated.
SELECT set_config('resumer.claimed', ARRAY[%(id)s::uuid]::text, true)

-- name: read_executions
-- Read the claimed executions with the open pause of each.
-- Documents are returned as text, so that one that cannot be parsed stops its own execution only. `now` is the time
-- that all deadlines count from.
-- LATERAL with an order and a LIMIT is a lookup by key, whatever the table's size was when the plan was made.
-- A document that is larger than the settings allow is not returned: `too_large` says so. It is not converted to text
-- if that could only be larger still. Numbers take six times as much space when they are stored.
SELECT
  e.id,
  e.execution_id AS key,
  e.workflow_id,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow_key,
  e.status,
  CASE WHEN d.too_large IS NULL THEN d.context END AS context,
  CASE WHEN d.too_large IS NULL THEN d.resume_data END AS resume_data,
  CASE WHEN d.too_large IS NULL THEN d.trigger_payload END AS trigger_payload,
  d.too_large,
  e.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  e.paused_step_id, e.next_step_id, --? pointers
  NULL AS paused_step_id, NULL AS next_step_id, --? no_pointers
  e.paused_reason,
  p.number AS pause_number,
  p.reason AS pause_reason,
  p.step_id AS pause_step,
  p.next_steps::text AS next_steps,
  p.waiting::text AS waiting,
  p.state::text AS state,
  p.definition,
  p.incident ->> 'reason' AS reason_before,
  p.manual_pause ->> 'before' AS held_before,
  -- a release waits for us and then lets go what we keep; where it was quicker, we could not lock the hold, and it is none
  CASE WHEN EXISTS (SELECT FROM resumer.holds h WHERE h.released_at IS NULL) THEN (
    SELECT jsonb_build_object('actor', h.actor, 'reason', h.reason, 'number', h.id)::text
    FROM resumer.hold_of(e.id) AS h WHERE h.id = ANY (current_setting('resumer.holds')::bigint[])) END AS hold,
  coalesce(p.incident ->> 'cause' = 'pause_without_pointer' AND p.state IS NULL, false) AS lost,
  p.approval_ids,
  p.prior_approval_ids,
  CASE WHEN e.status = 'completed' AND e.result = 'blocked' AND p.number IS NULL THEN
    (SELECT c.adopt_blocked
      AND (SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) IS NULL
      -- a person asked; or the end was recent when a trigger or the reconciler asked to look, else it is imported history; or
      -- the trigger was off, and a decision is the first that we hear of an end since the installation
      AND (SELECT count(*) FILTER (WHERE r.kind = 'start') = 0 AND count(*) FILTER (WHERE
          (r.kind = 'adopt' AND r.decision IS NULL AND r.actor IS NOT NULL)
          OR (r.kind IN ('adopt', 'approval')
            AND coalesce(e.completed_at, e.started_at) >= (r.requested_at - c.adopt_within) AT TIME ZONE %(timezone)s
            AND (r.kind = 'adopt' OR coalesce(e.completed_at, e.started_at) >= c.installed_at AT TIME ZONE %(timezone)s))) > 0
        FROM resumer.requests r WHERE r.execution_id = e.id)
      FROM resumer.control c)
  ELSE false END AS blocked_by_service,
  CASE WHEN p.number IS NULL THEN (
    SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) END AS last_pause,
  CASE WHEN e.status = 'paused' AND p.state IS NULL THEN (
    SELECT array_agg(used) FROM resumer.pauses o, unnest(o.approval_ids) AS used WHERE o.execution_id = e.id) END AS used,
  -- the clock of its steps: they begin after the pause that ends with them, even where the server's clock went back
  p.paused_at,
  -- the time limit of another program that was left when it paused
  CASE WHEN p.state IS NULL AND isfinite(e.timeout_at) AND isfinite(coalesce(e.paused_at, e.completed_at)) --? timeout_at
    THEN extract(epoch FROM e.timeout_at - coalesce(e.paused_at, e.completed_at))::float8 END AS time_left, --? timeout_at
  NULL::float8 AS time_left, --? no_timeout_at
  extract(epoch FROM clock_timestamp())::float8 AS now
FROM workflow_executions e
LEFT JOIN LATERAL (
  SELECT * FROM resumer.pauses o WHERE o.execution_id = e.id AND o.resumed_at IS NULL
  ORDER BY o.number LIMIT 1) AS p ON true
CROSS JOIN (SELECT coalesce((SELECT c.document_bytes FROM resumer.control c), 8388608) AS bytes) AS l
CROSS JOIN LATERAL (
  SELECT t.*, CASE
    WHEN pg_column_size(e.context) > 8 * l.bytes OR octet_length(t.context) > l.bytes + 65536
      THEN 'context: ' || coalesce(octet_length(t.context), pg_column_size(e.context))
    WHEN pg_column_size(e.resume_data) > 8 * l.bytes OR octet_length(t.resume_data) > l.bytes + 65536
      THEN 'resume_data: ' || coalesce(octet_length(t.resume_data), pg_column_size(e.resume_data))
    WHEN octet_length(t.trigger_payload) > l.bytes THEN 'trigger_payload: ' || octet_length(t.trigger_payload)
    WHEN t.unread THEN 'trigger_payload: ' || pg_column_size(e.trigger_payload)
  END || ' bytes, at most ' || l.bytes AS too_large
  FROM (
    SELECT
      CASE WHEN pg_column_size(e.context) <= 8 * l.bytes THEN e.context::text END AS context,
      CASE WHEN pg_column_size(e.resume_data) <= 8 * l.bytes THEN e.resume_data::text END AS resume_data,
      CASE WHEN (e.context IS NULL OR e.status = 'pending') AND pg_column_size(e.trigger_payload) <= 8 * l.bytes
        THEN e.trigger_payload::text END AS trigger_payload,
      (e.context IS NULL OR e.status = 'pending') AND pg_column_size(e.trigger_payload) > 8 * l.bytes AS unread
    OFFSET 0) AS t
) AS d
WHERE e.id = ANY (current_setting('resumer.claimed')::uuid[])

-- name: read_requests
-- Read the unsettled requests of the claimed executions, including timers that are not yet due, and one more than a
-- batch may have.
-- `consumed` is an earlier decision of the same approval that was applied. A latency begins when the request was
-- made, or when a timer is due.
-- An event sorts by its own capture, because an older event may be fanned out later.
-- Only timers wait for their time. Another request that is due later than now was made before the clock went back.
SELECT
  r.id,
  r.execution_id,
  r.kind,
  r.source_id,
  r.decision,
  r.pause_number,
  r.payload::text AS payload,
  r.actor,
  r.reason,
  r.due_at <= statement_timestamp() OR (r.kind <> 'timeout' AND r.decision IS DISTINCT FROM 'second_look') AS due,
  r.due_at::text AS due_at,
  CASE WHEN r.due_at <= statement_timestamp() THEN greatest(r.requested_at, r.due_at) ELSE r.requested_at END AS wanted_at,
  clock_timestamp() AS seen_at,
  (SELECT a.decision FROM resumer.settled_requests a
   WHERE a.source_id = r.source_id AND a.kind = 'approval' AND a.outcome = 'applied') AS consumed
FROM resumer.resume_requests r
LEFT JOIN LATERAL (
  SELECT o.captured_at, o.id FROM resumer.captured_events o
  WHERE r.kind = 'event' AND o.event_id = r.source_id
  ORDER BY o.event_id LIMIT 1) AS v ON true
WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
ORDER BY coalesce(v.captured_at, r.due_at), coalesce(v.id, r.id)
LIMIT 20001

-- name: read_approvals
-- Read the approvals of the claimed executions, oldest first, and one more than a batch may have.
-- `expires_at` has no zone and may be infinite or beyond what a timestamptz holds: a time that no clock reaches
-- counts as never.
-- `guard_violation` says why an approval must not count, if the decision guard is on. It compares the time when the
-- trigger saw the decision, because its writer may write any time. `traceparent` names the trace that the decision
-- belongs to.
SELECT
  a.id,
  a.execution_id,
  a.request_id,
  a.status,
  a.approver_id,
  a.approver_role,
  a.decision_reason,
  CASE WHEN a.decided_at < '9999-01-01' AND a.decided_at > '0001-01-01'
    THEN to_char(a.decided_at AT TIME ZONE %(timezone)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  END AS decided_at,
  coalesce(a.expires_at <= statement_timestamp() AT TIME ZONE %(timezone)s, false) AS expired,
  CASE WHEN a.expires_at < '9999-01-01'
    THEN (greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s)::text
  END AS expires_at,
  CASE WHEN a.status = 'approved' AND (SELECT c.decision_guard FROM resumer.control c) <> 'off' THEN resumer.guard_violation(
    a.approver_id,
    a.requester_id, --? requester
    NULL, --? no_requester
    coalesce(
      -- by a map: the requests of an execution have no index by their approval, and there may be thousands of both
      ((SELECT jsonb_object_agg(s.source_id, s.seen_at) FROM (
          SELECT r.source_id, max(r.requested_at) AS seen_at FROM resumer.requests r
          WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND r.kind = 'approval'
            AND r.decision = 'approved' AND r.source_id IS NOT NULL
          GROUP BY r.source_id) AS s) ->> a.id::text)::timestamptz,
      CASE WHEN a.decided_at < '9999-01-01' AND a.decided_at > '0001-01-01' THEN a.decided_at AT TIME ZONE %(timezone)s END),
    CASE WHEN a.expires_at < '9999-01-01' THEN greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s END,
    a.organization_id, (SELECT e.organization_id FROM workflow_executions e WHERE e.id = a.execution_id) --? organization
    NULL, NULL --? no_organization
  ) END AS guard_violation,
  a.metadata ->> 'traceparent' AS traceparent --? approval_metadata
  NULL AS traceparent --? no_approval_metadata
FROM approval_requests a
WHERE a.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
  -- one that was moved here after it was applied elsewhere counts nowhere
  AND (a.status = 'pending' OR coalesce((
    SELECT r.execution_id FROM resumer.settled_requests r
    WHERE r.source_id = a.id AND r.kind = 'approval' AND r.outcome = 'applied'), a.execution_id) = a.execution_id)
ORDER BY a.requested_at, a.id
LIMIT 20001

-- name: read_cancel_request
-- Read the request that cancels a claimed execution, if there is one, and only what its end needs of the execution.
SELECT
  r.id AS request, r.actor, r.reason,
  e.id, e.execution_id AS key, e.status, e.workflow_id,
  e.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  p.number, p.reason AS pause_reason, p.approval_ids,
  (SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) AS last_pause
FROM workflow_executions e
CROSS JOIN LATERAL (
  SELECT * FROM resumer.resume_requests o
  WHERE o.execution_id = e.id AND o.kind = 'cancel' AND o.outcome IS NULL AND o.due_at <= statement_timestamp()
  ORDER BY o.id LIMIT 1) AS r
LEFT JOIN LATERAL (
  SELECT * FROM resumer.pauses o WHERE o.execution_id = e.id AND o.resumed_at IS NULL
  ORDER BY o.number LIMIT 1) AS p ON true
WHERE e.id = ANY (current_setting('resumer.claimed')::uuid[])
