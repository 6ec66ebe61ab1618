-- Start, emit, decide, pause, resume, retry, cancel, hold, release and adopt.
-- Run by store/commands.py.

-- name: start
-- Queue a new execution.
SELECT resumer.start(%(workflow)s, %(payload)s::jsonb, %(version)s, %(organization)s::uuid) AS id

-- name: start_like
-- Queue a new execution with the payload of another.
SELECT resumer.start(%(workflow)s, (SELECT e.trigger_payload FROM workflow_executions e WHERE e.id = resumer.find(%(like)s)),
  %(version)s, %(organization)s::uuid) AS id

-- name: execution_key
-- The key of an execution, as people read it.
SELECT resumer.status(%(id)s) ->> 'execution_id' AS key

-- name: emit
-- Insert an event.
SELECT resumer.emit(%(type)s, %(payload)s::jsonb, %(organization)s::uuid) AS id

-- name: approve
-- Approve, as an approval page or a person with psql would.
SELECT resumer.approve(%(request)s, %(approver)s::uuid, %(reason)s) AS request

-- name: reject
-- Reject, as an approval page or a person with psql would.
SELECT resumer.reject(%(request)s, %(approver)s::uuid, %(reason)s) AS request

-- name: decide_by_update
-- Write a decision as any program or person would, without a function of schema resumer.
UPDATE approval_requests SET status = %(status)s, decided_at = now() WHERE request_id = %(request)s

-- name: pause
-- Pause an execution by its id or key. This and the following commands read no table, because resumer_operator may
-- read none.
SELECT resumer.pause(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request

-- name: resume
-- Resume an execution by its id or key.
SELECT resumer.resume(
  resumer.find(%(key)s), data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request

-- name: retry
-- Retry an execution by its id or key.
SELECT resumer.retry(
  resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request

-- name: cancel
-- Cancel an execution by its id or key.
SELECT resumer.cancel(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request

-- name: hold
-- Hold a workflow, or everything, for so many seconds or until the release.
SELECT resumer.hold(%(workflow)s, %(reason)s::text, %(actor)s::text, make_interval(secs => %(seconds)s::float8)) AS request

-- name: release
-- Release a hold by its workflow. Returns how many executions continue.
SELECT resumer.release(%(workflow)s, %(actor)s::text, %(per_second)s) AS request

-- name: pause_in_scope
-- Pause an execution in the caller's scope.
SELECT resumer.pause(e.id, reason => %(reason)s::text, actor => %(actor)s::text) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: resume_in_scope
-- Resume an execution in the caller's scope.
SELECT resumer.resume(e.id, data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: retry_in_scope
-- Retry an execution in the caller's scope.
SELECT resumer.retry(e.id, reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: cancel_in_scope
-- Cancel an execution in the caller's scope.
SELECT resumer.cancel(e.id, reason => %(reason)s::text, actor => %(actor)s::text) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: hold_in_scope
-- Hold a workflow in the caller's scope, or everything in it. A caller of one organization holds only that
-- organization's executions.
SELECT resumer.hold(
  %(workflow)s, reason => %(reason)s::text, actor => %(actor)s::text, ttl => make_interval(secs => %(seconds)s::integer)
  , organization_id => CASE WHEN NOT %(everywhere)s THEN %(organization)s::uuid END --? organization
) AS request
WHERE (%(workflow)s = '*' OR EXISTS (
    SELECT FROM workflows w
    WHERE w.workflow_id = %(workflow)s
      AND (%(everywhere)s OR w.organization_id = %(organization)s) --? organization
  ))
  AND (%(everywhere)s OR %(organization)s::uuid IS NOT NULL) --? organization

-- name: release_in_scope
-- Release a hold in the caller's scope. Returns how many executions continue.
SELECT resumer.release(
  %(workflow)s, actor => %(actor)s::text, per_second => %(per_second)s
  , organization_id => CASE WHEN NOT %(everywhere)s THEN %(organization)s::uuid END --? organization
) AS request
WHERE true
  AND (%(everywhere)s OR %(organization)s::uuid IS NOT NULL) --? organization

-- name: take_idempotency_key
-- Insert an Idempotency-Key, or read what it was used for. The row has a request only if the key was used before. A
-- second caller waits for the first.
INSERT INTO resumer.idempotency_keys AS k (caller, key, fingerprint)
VALUES (%(caller)s, %(key)s, %(fingerprint)s)
ON CONFLICT (caller, key) DO UPDATE SET created_at = k.created_at
RETURNING k.fingerprint, k.request

-- name: store_idempotency_key
-- Store the request that was made under an Idempotency-Key.
UPDATE resumer.idempotency_keys k
SET request = %(request)s
WHERE k.caller = %(caller)s AND k.key = %(key)s

-- name: prune_idempotency_keys
-- Delete some Idempotency-Keys that are older than a day. Skip those that another transaction deletes.
DELETE FROM resumer.idempotency_keys k
WHERE (k.caller, k.key) IN (
  SELECT o.caller, o.key FROM resumer.idempotency_keys o
  WHERE o.created_at < statement_timestamp() - interval '1 day'
  ORDER BY o.created_at
  LIMIT 100
  FOR UPDATE SKIP LOCKED)

-- name: find_blocked
-- Find executions that the service ended as blocked since a time, or in the last `ago` seconds, and that the daemon
-- does not know, or has left alone because they were not recent (claim.read_executions): those with a requested
-- approval that was not used. In order of their ids, the next `limit` after one. `since` is on the service's clock.
SELECT e.id, e.execution_id AS key, e.started_at, e.completed_at,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow,
  (SELECT count(*) FROM approval_requests a WHERE a.execution_id = e.id AND a.status = 'pending') AS pending,
  (SELECT count(*) FROM approval_requests a WHERE a.execution_id = e.id AND a.status <> 'pending') AS decided
FROM workflow_executions e
WHERE e.status = 'completed' AND e.result = 'blocked' AND e.id > %(after)s
  AND coalesce(e.completed_at, e.started_at) >= coalesce(%(since)s::timestamptz, statement_timestamp() - make_interval(secs => %(ago)s::float8))
    AT TIME ZONE %(timezone)s
  AND EXISTS (SELECT FROM approval_requests a WHERE a.execution_id = e.id)
  AND NOT EXISTS (SELECT FROM resumer.pauses p WHERE p.execution_id = e.id)
  AND NOT EXISTS (SELECT FROM resumer.requests r WHERE r.execution_id = e.id
    AND (r.kind = 'start' OR (r.kind = 'adopt' AND ((r.decision IS NULL AND r.actor IS NOT NULL) OR coalesce(e.completed_at, e.started_at)
      >= (r.requested_at - (SELECT c.adopt_within FROM resumer.control c)) AT TIME ZONE %(timezone)s))))
ORDER BY e.id
LIMIT %(limit)s

-- name: request_adoption
-- Insert an `adopt` request for each of these executions, as a trigger would.
SELECT resumer.adopt(id) FROM unnest(%(ids)s::uuid[]) AS v (id)

-- name: upsert_workflow
-- Insert or update a workflow in the service's table, for development. No ON CONFLICT, because the key differs
-- between vintages.
WITH changed AS (
  UPDATE workflows SET name = %(name)s, definition = %(definition)s::jsonb
  WHERE workflow_id = %(workflow)s AND version = %(version)s
  RETURNING id
)
INSERT INTO workflows (workflow_id, version, name, definition)
SELECT %(workflow)s, %(version)s, %(name)s, %(definition)s::jsonb
WHERE NOT EXISTS (SELECT FROM changed)

-- name: resume_latency
-- Return the seconds from the start of the deciding statement until its request was settled, by the database's clock.
SELECT extract(epoch FROM max(r.finished_at - r.requested_at))::float8 AS seconds
FROM resumer.settled_requests r
WHERE r.execution_id = %(id)s::uuid AND r.kind = 'approval' AND r.outcome = 'applied'
