-- Write the plans of a batch.
-- Run by store/record.py.

-- name: update_executions
-- Write the new status, result and columns of the executions of a batch. A context is written once, when the
-- execution begins.
UPDATE workflow_executions e SET
  status = v.status,
  result = v.result,
  error_message = v.error_message,
  context = coalesce(v.context, e.context),
  resume_data = coalesce(v.resume_data, e.resume_data),
  -- a pause of another program began when it says
  paused_at = CASE WHEN v.status = 'paused'
    THEN coalesce(CASE WHEN e.status::text = 'paused' AND v.resumed = 0 THEN e.paused_at END, t.now_there) END,
  paused_reason = pg_catalog.left(v.paused_reason, 255),
  paused_step_id = v.paused_step_id, --? pointers
  next_step_id = v.next_step_id, --? pointers
  current_step_id = v.paused_step_id, --? current_step
  wait_state = v.wait_state --? wait_state
    || pg_catalog.jsonb_build_object('waiting_since', to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), --? wait_state
  timeout_at = CASE WHEN v.timeout IS NOT NULL THEN t.now_there + pg_catalog.make_interval(secs => v.timeout) --? timeout_at
    WHEN v.resumed > 0 THEN e.timeout_at + (t.now_there - coalesce(e.paused_at, t.now_there)) --? timeout_at
    ELSE e.timeout_at END, --? timeout_at
  timeout_duration = coalesce(pg_catalog.ceil(v.timeout)::integer, e.timeout_duration), --? timeout_duration
  metadata = CASE WHEN v.timeout IS NULL THEN e.metadata --? no_timeout_duration
    ELSE (CASE pg_catalog.jsonb_typeof(e.metadata) WHEN 'object' THEN e.metadata ELSE '{}' END) --? no_timeout_duration
      || pg_catalog.jsonb_build_object('timeout_seconds', v.timeout) END, --? no_timeout_duration
  resume_count = coalesce(e.resume_count, 0) + v.resumed,
  last_resumed_at = CASE WHEN v.resumed > 0 THEN t.now_there ELSE e.last_resumed_at END,
  completed_at = CASE WHEN v.status IN ('completed', 'failed', 'cancelled') THEN t.now_there END,
  duration_ms = CASE WHEN v.status IN ('completed', 'failed', 'cancelled') AND pg_catalog.isfinite(e.started_at)
    THEN greatest(0, least(2147483647, extract(epoch FROM t.now_there - e.started_at) * 1000))::integer END
FROM unnest(
    %(ids)s::uuid[], %(statuses)s::text[], %(results)s::text[], %(errors)s::text[], %(contexts)s::jsonb[],
    %(resume_datas)s::jsonb[], %(paused_reasons)s::text[], %(paused_steps)s::text[], %(next_steps)s::text[],
    %(resumed)s::integer[], %(wait_states)s::jsonb[], %(timeouts)s::float8[]
  ) AS v (
    id, status, result, error_message, context, resume_data, paused_reason, paused_step_id, next_step_id, resumed,
    wait_state, timeout),
  (SELECT pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s AS now_there) AS t
WHERE e.id = v.id

-- name: insert_steps
-- Insert a row for each attempt of each step. The engine counts from the database's time, so that rows of all
-- transactions sort in the order in which their steps began.
INSERT INTO step_executions (
  organization_id, --? organization
  execution_id, step_id, step_type, status, output, error_message, started_at, completed_at, duration_ms
)
SELECT
  v.organization_id, --? organization
  v.execution_id, pg_catalog.left(v.step_id, 255), pg_catalog.left(v.step_type, 50), v.status, v.output, v.error_message,
  v.began AT TIME ZONE %(timezone)s,
  greatest(v.began, least(v.began + pg_catalog.make_interval(secs => v.seconds), pg_catalog.clock_timestamp())) AT TIME ZONE %(timezone)s,
  (v.seconds * 1000)::integer
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(step_ids)s::text[], %(types)s::text[], %(statuses)s::text[],
    %(outputs)s::jsonb[], %(errors)s::text[], %(begins)s::timestamptz[], %(seconds)s::float8[]
  ) AS v (execution_id, organization_id, step_id, step_type, status, output, error_message, began, seconds)

-- name: insert_approvals
-- Insert the approvals that steps request, in the transaction that records the step.
INSERT INTO approval_requests (
  organization_id, --? organization
  id, request_id, execution_id, entity_type, entity_id, approver_role, approver_id, status, reason, requested_at,
  requester_id, --? requester
  expires_at
)
SELECT
  v.organization_id, --? organization
  v.id, v.request_id, v.execution_id, pg_catalog.left(v.entity_type, 100), pg_catalog.left(v.entity_id, 255), pg_catalog.left(v.approver_role, 100),
  v.approver_id, 'pending', v.reason, pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s,
  v.requester_id, --? requester
  v.expires_at AT TIME ZONE %(timezone)s
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(ids)s::uuid[], %(request_ids)s::text[],
    %(entity_types)s::text[], %(entity_ids)s::text[], %(roles)s::text[], %(approvers)s::uuid[], %(reasons)s::text[],
    %(expiries)s::timestamptz[], %(requesters)s::uuid[]
  ) AS v (
    execution_id, organization_id, id, request_id, entity_type, entity_id, approver_role, approver_id, reason, expires_at,
    requester_id)

-- name: insert_outbox
-- Insert messages into the outbox, in the transaction that records their step. A key exists once.
INSERT INTO resumer.outbox (key, execution_id, kind, body)
SELECT v.key, v.execution_id, v.kind, v.body
FROM unnest(%(keys)s::text[], %(execution_ids)s::uuid[], %(kinds)s::text[], %(bodies)s::jsonb[])
  AS v (key, execution_id, kind, body)
ON CONFLICT (key) DO NOTHING

-- name: insert_audit
-- Write to the service's audit log who paused, resumed, retried or cancelled an execution, each decision and each
-- incident, in the transaction that does it.
INSERT INTO audit_log (
  organization_id, --? audit_organization
  entity_type, entity_id, action, actor_id, actor_type, changes, "timestamp"
)
SELECT
  v.organization_id, --? audit_organization
  v.entity_type, v.entity_id, v.action, v.actor_id, CASE WHEN v.by_person THEN 'user' ELSE 'system' END, v.changes,
  pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s
FROM unnest(
    %(organizations)s::uuid[], %(entity_types)s::text[], %(entity_ids)s::uuid[], %(actions)s::text[],
    %(actor_ids)s::uuid[], %(by_person)s::boolean[], %(changes)s::jsonb[]
  ) AS v (organization_id, entity_type, entity_id, action, actor_id, by_person, changes)

-- name: insert_definitions
-- Store the definitions that executions paused with. The same text is stored once.
-- The day of the last use is written once a day. A definition that was not used for longer, and that nothing refers
-- to, may be deleted (maintenance.erase_definitions). From now on, the events that its steps may wait for are
-- captured.
WITH registered AS (
  INSERT INTO resumer.event_types (event_type, since)
  SELECT DISTINCT v.event_type, clock_timestamp() FROM unnest(%(event_types)s::text[]) AS v (event_type)
  WHERE NOT EXISTS (SELECT FROM resumer.event_types t WHERE t.event_type = v.event_type)
  ORDER BY 1
  ON CONFLICT DO NOTHING
)
INSERT INTO resumer.definitions AS d (sha256, body)
SELECT v.sha256, v.body FROM unnest(%(hashes)s::text[], %(bodies)s::jsonb[]) AS v (sha256, body)
ON CONFLICT (sha256) DO UPDATE SET used_at = EXCLUDED.used_at WHERE d.used_at < EXCLUDED.used_at - interval '1 day'

-- name: open_pauses
-- Insert pauses: the step, the reason and the wait condition. `prior_approval_ids` are approvals of earlier pauses,
-- which do not count for this one.
INSERT INTO resumer.pauses (execution_id, number, reason, step_id, next_steps, waiting, state, definition, incident, manual_pause, approval_ids,
  prior_approval_ids, organization_id)
SELECT v.execution_id, v.number, v.reason, v.step_id, v.next_steps, v.waiting, v.state, v.definition, v.incident, v.manual_pause,
  v.approval_ids::uuid[],
  v.prior_approval_ids::uuid[],
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = v.execution_id) --? organization
  NULL --? no_organization
FROM unnest(
    %(execution_ids)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[], %(step_ids)s::text[], %(next_steps)s::jsonb[],
    %(waitings)s::jsonb[], %(states)s::jsonb[], %(definitions)s::text[], %(incidents)s::jsonb[],
    %(manual_pauses)s::jsonb[], %(approval_ids)s::text[], %(prior_approval_ids)s::text[]
  ) AS v (execution_id, number, reason, step_id, next_steps, waiting, state, definition, incident, manual_pause, approval_ids, prior_approval_ids)

-- name: close_pauses
-- Close the open pauses of a batch, and write all approvals that belonged to each.
UPDATE resumer.pauses p
SET resumed_at = clock_timestamp(), resumed_by = v.resumed_by, approval_ids = v.approval_ids::uuid[]
FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(resumed_by)s::text[], %(approval_ids)s::text[])
  AS v (execution_id, number, resumed_by, approval_ids)
WHERE p.execution_id = v.execution_id AND p.number = v.number

-- name: insert_event_waits
-- Insert the events that open pauses wait for, one row each. `anchors` are conditions that an index finds.
-- If events of the type were not captured since the time that a wait counts from, the daemon searches them from there
-- (inbox.search_events). Events from before the installation count for no wait.
WITH opened AS (
  SELECT v.*, s.id AS since_id,
    -- A start in the future: the clock has gone back since then, and nobody knows the start by this clock. A missed event of
    -- the last day counts, so that none is lost.
    CASE WHEN c.start > statement_timestamp() THEN statement_timestamp() - interval '1 day' ELSE c.start END AS since,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    e.organization_id --? organization
  FROM unnest(
      %(execution_ids)s::uuid[], %(numbers)s::integer[], %(paths)s::text[], %(event_types)s::text[], %(matches)s::jsonb[],
      %(entities)s::jsonb[], %(anchors)s::text[], %(values)s::jsonb[]
    ) AS v (execution_id, number, path, event_type, match, entities, anchor, value)
  CROSS JOIN LATERAL (SELECT * FROM workflow_executions o WHERE o.id = v.execution_id LIMIT 1) AS e
  LEFT JOIN LATERAL (
    SELECT r.id, r.requested_at FROM resumer.requests r
    WHERE r.execution_id = v.execution_id AND r.kind = 'start'
    ORDER BY r.id LIMIT 1) AS s ON true
  CROSS JOIN LATERAL (
    SELECT coalesce(s.requested_at, e.started_at AT TIME ZONE %(timezone)s, '-infinity') AS start) AS c
), registered AS (
  INSERT INTO resumer.event_types AS t (event_type, since)
  SELECT o.event_type, min(m.since)
  FROM opened o CROSS JOIN LATERAL (
    SELECT greatest(o.since, (SELECT c.installed_at FROM resumer.control c)) AS since) AS m
  WHERE NOT EXISTS (SELECT FROM resumer.event_types k WHERE k.event_type = o.event_type AND k.since <= m.since)
  GROUP BY o.event_type
  ORDER BY o.event_type
  ON CONFLICT (event_type) DO UPDATE
  SET since = least(t.since, excluded.since), searched_to = NULL, mark = NULL, complete = false
)
INSERT INTO resumer.event_waits (execution_id, pause_number, path, event_type, match, entities, anchor, value, since_id, since,
  organization_id)
SELECT o.execution_id, o.number, o.path, o.event_type, o.match, o.entities, o.anchor, resumer.index_text(o.value), o.since_id,
  o.since, o.organization_id
FROM opened o

-- name: delete_event_waits
-- Delete the event waits of pauses that end. Without a number, delete all waits of the execution.
DELETE FROM resumer.event_waits w
USING unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
WHERE w.execution_id = v.execution_id AND w.pause_number = coalesce(v.number, w.pause_number)

-- name: apply_manual_pauses
-- Pause paused executions manually. Each keeps its wait condition and has it back after the resume.
WITH paused AS (
  UPDATE resumer.pauses p
  SET reason = 'manual', manual_pause = v.manual_pause || pg_catalog.jsonb_build_object('before', p.reason, 'since', clock_timestamp())
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(manual_pauses)s::jsonb[])
    AS v (execution_id, number, manual_pause)
  WHERE p.execution_id = v.execution_id AND p.number = v.number
  RETURNING p.execution_id
)
UPDATE workflow_executions e SET paused_reason = 'manual'
FROM paused WHERE e.id = paused.execution_id

-- name: lift_manual_pauses
-- End manual pauses. Each execution waits again for what it waited for.
WITH restored AS (
  UPDATE resumer.pauses p
  SET reason = p.manual_pause ->> 'before'::text, manual_pause = NULL
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.manual_pause ? 'before'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = restored.reason FROM restored WHERE e.id = restored.execution_id

-- name: apply_incidents
-- Turn pauses into incidents. Each keeps what it waited for.
WITH marked AS (
  UPDATE resumer.pauses p
  SET reason = 'incident', incident = v.incident || pg_catalog.jsonb_build_object('reason', p.reason)
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[], %(incidents)s::jsonb[])
    AS v (execution_id, number, incident)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.reason <> 'incident'
  RETURNING p.execution_id
)
UPDATE workflow_executions e SET paused_reason = 'incident' FROM marked WHERE e.id = marked.execution_id

-- name: lift_incidents
-- End incidents that a person retries. Each execution waits again for what it waited for.
WITH lifted AS (
  UPDATE resumer.pauses p
  SET reason = p.incident ->> 'reason'::text, incident = NULL
  FROM unnest(%(execution_ids)s::uuid[], %(numbers)s::integer[]) AS v (execution_id, number)
  WHERE p.execution_id = v.execution_id AND p.number = v.number AND p.incident ? 'reason'::text
  RETURNING p.execution_id, p.reason
)
UPDATE workflow_executions e SET paused_reason = lifted.reason FROM lifted WHERE e.id = lifted.execution_id

-- name: settle_requests
-- Move requests to the ledger with their outcome, and with a reason if one is needed. A request with the outcome
-- `held` is parked: it stays in the queue.
-- A row that was kept from before a write that the guard could not check (record.revert_foreign_writes) is dropped.
WITH outcomes AS MATERIALIZED (
  SELECT * FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(organizations)s::uuid[])
    AS v (id, outcome, reason, organization)
), parked AS (
  UPDATE resumer.resume_requests r SET outcome = 'held', reason = coalesce(v.reason, r.reason),
    organization_id = v.organization
  FROM outcomes v WHERE v.outcome = 'held' AND r.id = v.id
), settled AS (
  DELETE FROM resumer.resume_requests r USING outcomes v WHERE v.outcome <> 'held' AND r.id = v.id
  RETURNING r.*, v.outcome AS became, v.reason AS why, v.organization
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT s.id, s.execution_id, s.kind, s.source_id, s.decision, s.pause_number,
  CASE WHEN s.kind <> 'adopt' THEN s.payload END, s.actor, coalesce(s.why, s.reason), s.due_at, s.requested_at, s.became,
  s.organization
FROM settled s

-- name: settle_unrequested_decisions
-- Settle decisions that had no request when the requests were read. If the request was committed since then, settle
-- it. Otherwise its trigger was disabled: insert a row into the ledger, `applied` if the decision counted,
-- `superseded` if another one overtook it.
-- It groups all requests instead of looking each decision up, because the requests of an execution have no index by
-- their approval.
WITH seen AS MATERIALIZED (
  SELECT u.execution_id, u.source_id, u.decision, max(u.actor) AS actor, max(u.outcome) AS outcome,
    max(u.request) AS request, max(u.unsettled) AS unsettled
  FROM (
    SELECT v.execution_id, v.source_id, v.decision, v.actor, v.outcome, NULL::bigint AS request, NULL::bigint AS unsettled
    FROM unnest(
        %(execution_ids)s::uuid[], %(sources)s::uuid[], %(decisions)s::text[], %(actors)s::text[], %(outcomes)s::text[]
      ) AS v (execution_id, source_id, decision, actor, outcome)
    UNION ALL
    SELECT r.execution_id, r.source_id, r.decision, NULL, NULL, r.id, CASE WHEN r.outcome IS NULL THEN r.id END
    FROM resumer.requests r
    WHERE r.execution_id = ANY (%(execution_ids)s::uuid[]) AND r.kind = 'approval'
  ) AS u
  GROUP BY u.execution_id, u.source_id, u.decision
  HAVING max(u.outcome) IS NOT NULL
), came AS (
  DELETE FROM resumer.resume_requests r
  WHERE r.id = ANY (ARRAY(SELECT s.unsettled FROM seen s WHERE s.outcome = 'applied' AND s.unsettled IS NOT NULL))
  RETURNING *
), settled AS (
  SELECT c.id, c.execution_id, c.kind, c.source_id, c.decision, c.pause_number, c.payload, c.actor, c.reason, c.due_at,
    c.requested_at, 'applied' AS outcome
  FROM came c
  UNION ALL
  SELECT nextval('resumer.resume_requests_id_seq'), s.execution_id, 'approval', s.source_id, s.decision, NULL, NULL, s.actor,
    NULL, statement_timestamp(), statement_timestamp(), s.outcome
  FROM seen s WHERE CASE s.outcome WHEN 'applied' THEN s.unsettled ELSE s.request END IS NULL
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT s.*,
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = s.execution_id) --? organization
  NULL --? no_organization
FROM settled s

-- name: insert_requests
-- Insert the daemon's own requests: timers and second looks.
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, due_at)
SELECT v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, coalesce(v.due_at, clock_timestamp())
FROM unnest(
    %(execution_ids)s::uuid[], %(kinds)s::text[], %(sources)s::uuid[], %(decisions)s::text[], %(pauses)s::integer[],
    %(due)s::timestamptz[]
  ) AS v (execution_id, kind, source_id, decision, pause_number, due_at)

-- name: revert_foreign_writes
-- Revert writes by other programs that the guard could not check, on executions that the daemon owned then. The
-- request's payload is the row as it was before the first of them, until the request is settled.
WITH unchecked AS MATERIALIZED (
  SELECT DISTINCT ON (r.execution_id) r.execution_id, r.payload
  FROM resumer.resume_requests r
  WHERE r.id = ANY (%(ids)s::bigint[])
  ORDER BY r.execution_id, r.id
)
UPDATE workflow_executions e SET
  status = o.status,
  result = o.result,
  error_message = o.error_message,
  context = o.context,
  resume_data = o.resume_data,
  paused_at = o.paused_at,
  paused_reason = o.paused_reason,
  paused_step_id = o.paused_step_id, --? pointers
  next_step_id = o.next_step_id, --? pointers
  current_step_id = o.current_step_id, --? current_step
  wait_state = o.wait_state, --? wait_state
  timeout_at = o.timeout_at, --? timeout_at
  resume_count = o.resume_count,
  last_resumed_at = o.last_resumed_at,
  completed_at = o.completed_at,
  duration_ms = o.duration_ms
FROM unchecked u, pg_catalog.jsonb_to_record(u.payload) AS o (
    current_step_id text, --? current_step
    wait_state jsonb, --? wait_state
    timeout_at timestamp, --? timeout_at
    paused_step_id text, next_step_id text, --? pointers
    status text, result text, error_message text, context jsonb, resume_data jsonb, paused_at timestamp, paused_reason text,
    resume_count integer, last_resumed_at timestamp, completed_at timestamp, duration_ms integer)
WHERE e.id = u.execution_id AND e.status::text <> 'cancelled' AND resumer.is_ours(u.execution_id, o.status)

-- name: requeue_past_events
-- Insert a request for the oldest event since the start of each execution that may end one of its waits and has ended
-- no earlier wait of it.
-- Event keys find the events (inbox.insert_event_keys): by the anchor of the wait or, without `match`, by the entity,
-- for each set of entities that events of the type name.
-- It runs after the commit of the pause. The keys of an event that it does not see are committed later, and the
-- fan-out of that event sees the wait. It reads 200 events for each wait, then inserts a request that continues from
-- there.
-- The batch before has left the events alone, because this may find an older one. Parked events become due again.
WITH unparked AS (
  UPDATE resumer.resume_requests r SET outcome = NULL, due_at = least(r.due_at, statement_timestamp())
  WHERE r.execution_id = ANY (%(ids)s::uuid[]) AND r.kind = 'event' AND r.outcome = 'held'
), looking AS MATERIALIZED (
  SELECT w.*, greatest(w.since_id, w.looked_to) AS after,
    ARRAY(
      SELECT DISTINCT resumer.event_key(w.event_type, w.organization_id, t.term)
      FROM (
        SELECT '' AS term WHERE k.whole
        UNION ALL
        SELECT '*' WHERE NOT k.whole
        UNION ALL
        SELECT w.anchor || '=' || w.value WHERE NOT k.whole AND w.match <> '{}'
        UNION ALL
        SELECT coalesce(
          (SELECT '=' || o.name || '.id=' || resumer.index_text(w.entities -> o.name)
           FROM unnest(n.names) AS o (name) WHERE w.entities ? o.name LIMIT 1),
          '~' || array_to_string(n.names, ','))
        FROM resumer.event_names n
        WHERE n.event_type = w.event_type AND n.organization_id = w.organization_id AND NOT k.whole AND w.match = '{}'
      ) AS t) AS keys,
    ARRAY(
      SELECT u.source_id FROM resumer.requests u
      WHERE u.execution_id = w.execution_id AND u.kind = 'event'
        AND (u.pause_number = w.pause_number OR u.outcome = 'applied')) AS used
  FROM resumer.event_waits w
  -- keys have no truth values, and nothing beneath a second level
  CROSS JOIN LATERAL (SELECT w.anchor = '' OR w.anchor LIKE '=%%.%%.%%' OR (w.anchor LIKE '=%%' AND w.value IN ('true', 'false'))
    AS whole) AS k
  WHERE w.execution_id = ANY (%(ids)s::uuid[])
), found AS MATERIALIZED (
  SELECT w.execution_id, w.pause_number, w.path, v.id, v.event_type, v.payload
  FROM looking w
  CROSS JOIN LATERAL (
    SELECT v.id, v.event_type, v.payload
    FROM (
      SELECT o.captured_id FROM unnest(w.keys) AS a (key)
      CROSS JOIN LATERAL (
        SELECT k.captured_id FROM resumer.event_keys k WHERE k.key = a.key AND k.captured_id > w.after
        ORDER BY k.key, k.captured_id LIMIT 200) AS o
      ORDER BY o.captured_id LIMIT 200) AS c
    CROSS JOIN LATERAL (SELECT * FROM resumer.captured_events o WHERE o.id = c.captured_id LIMIT 1) AS r
    CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = r.event_id LIMIT 1) AS v
    WHERE v.event_type = w.event_type
      AND v.organization_id = w.organization_id --? organization
      AND (r.captured_at >= w.since OR w.since > statement_timestamp() OR (w.since_id IS NOT NULL AND NOT r.missed))
      AND v.id <> ALL (w.used)
      AND resumer.may_end(w.match, w.entities, v.payload)
    ORDER BY NOT r.missed, c.captured_id LIMIT 1) AS v
), ahead AS MATERIALIZED (
  SELECT w.execution_id, w.pause_number, w.path, l.captured_id
  FROM looking w
  CROSS JOIN LATERAL (
    SELECT o.captured_id FROM unnest(w.keys) AS a (key)
    CROSS JOIN LATERAL (
      SELECT k.captured_id FROM resumer.event_keys k WHERE k.key = a.key AND k.captured_id > w.after
      ORDER BY k.key, k.captured_id LIMIT 200) AS o
    ORDER BY o.captured_id OFFSET 199 LIMIT 1) AS l
  WHERE (w.execution_id, w.pause_number, w.path) NOT IN (SELECT f.execution_id, f.pause_number, f.path FROM found f)
), moved AS (
  UPDATE resumer.event_waits w SET looked_to = a.captured_id
  FROM ahead a
  WHERE w.execution_id = a.execution_id AND w.pause_number = a.pause_number AND w.path = a.path
)
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, payload)
SELECT DISTINCT ON (f.execution_id, f.id) f.execution_id, 'event', f.id, f.event_type, f.pause_number, f.payload FROM found f
UNION ALL
SELECT DISTINCT a.execution_id, 'adopt', NULL::uuid, NULL, NULL::integer, NULL::jsonb FROM ahead a

-- name: expire_approvals
-- Set undecided approvals to `expired`. The table's trigger inserts the request. A locked row is skipped, because
-- somebody is deciding. It gets a timer that checks again in a second.
WITH wanted AS (
  SELECT v.id, v.execution_id, pg_catalog.set_config('resumer.closing', 'off', true)
  FROM unnest(%(ids)s::uuid[], %(execution_ids)s::uuid[]) AS v (id, execution_id)
), free AS (
  SELECT a.id
  FROM wanted w
  CROSS JOIN LATERAL (
    SELECT o.* FROM approval_requests o WHERE o.id = w.id OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) AS a
  WHERE a.status::text = 'pending' AND a.expires_at <= pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
), expired AS (
  UPDATE approval_requests a
  SET status = 'expired', decided_at = pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
  WHERE a.id = ANY (ARRAY(SELECT id FROM free))
  RETURNING a.id
)
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
SELECT w.execution_id, 'timeout', w.id, pg_catalog.statement_timestamp() + interval '1 second'
FROM wanted w WHERE w.id NOT IN (SELECT id FROM expired)

-- name: withdraw_approvals
-- Close undecided approvals that nothing waits for any more, so that no approver's list has a request without effect.
-- The daemon's trigger ignores the write. A locked row is skipped, because somebody is deciding. A timer checks again
-- in a second, in case that decision is rolled back.
WITH wanted AS (
  SELECT v.id, v.execution_id, pg_catalog.set_config('resumer.closing', 'on', true)
  FROM unnest(%(ids)s::uuid[], %(execution_ids)s::uuid[]) AS v (id, execution_id)
), free AS (
  SELECT a.id
  FROM wanted w
  CROSS JOIN LATERAL (
    SELECT o.* FROM approval_requests o WHERE o.id = w.id OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) AS a
  WHERE a.status::text = 'pending'
), closed AS (
  UPDATE approval_requests a
  SET status = (SELECT c.closed_status FROM resumer.control c),
    decision_reason = 'Closed by resumer-daemon: nobody waits for this decision any more.',
    decided_at = pg_catalog.statement_timestamp() AT TIME ZONE %(timezone)s
  WHERE a.id = ANY (ARRAY(SELECT id FROM free))
  RETURNING a.id
), again AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
  SELECT w.execution_id, 'timeout', w.id, pg_catalog.statement_timestamp() + interval '1 second'
  FROM wanted w
  WHERE w.id NOT IN (SELECT id FROM closed)
)
SELECT pg_catalog.count(*) FROM closed
