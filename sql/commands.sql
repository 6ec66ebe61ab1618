-- Start, emit, decide, pause, resume, retry, cancel, hold, release and adopt.
-- Run by store/commands.py.

-- name: start
-- Queue a new execution.
SELECT resumer.start(%(workflow)s, %(payload)s::jsonb, %(version)s, %(organization)s::uuid) AS id

-- name: emit
-- Write an event.
SELECT resumer.emit(%(type)s, %(payload)s::jsonb, %(organization)s::uuid) AS id

-- name: approve
-- Approve, as the page or a person with psql would.
SELECT resumer.approve(%(request)s, %(approver)s::uuid, %(reason)s) AS request

-- name: reject
-- Reject, as the page or a person with psql would.
SELECT resumer.reject(%(request)s, %(approver)s::uuid, %(reason)s) AS request

-- name: decide_by_update
-- A decision as any program or person would write it: nothing of ours is called.
UPDATE approval_requests SET status = %(status)s, decided_at = now() WHERE request_id = %(request)s

-- name: pause
-- Ask an execution, named by its id or its key: pause.
SELECT resumer.pause(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request

-- name: resume
-- Ask an execution, named by its id or its key: resume.
SELECT resumer.resume(
  resumer.find(%(key)s), data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request

-- name: retry
-- Ask an execution, named by its id or its key: retry.
SELECT resumer.retry(
  resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request

-- name: cancel
-- Ask an execution, named by its id or its key: cancel.
SELECT resumer.cancel(resumer.find(%(key)s), reason => %(reason)s::text, actor => %(actor)s::text) AS request

-- name: hold
-- Hold a workflow, or everything, for so many seconds or until the release.
SELECT resumer.hold(%(workflow)s, %(reason)s::text, %(actor)s::text, make_interval(secs => %(seconds)s::float8)) AS request

-- name: release
-- Release what is held under this name; returns how many executions go on.
SELECT resumer.release(%(workflow)s, %(actor)s::text, %(per_second)s) AS request

-- name: pause_in_scope
-- Leave a request for an execution that the caller reaches: pause.
SELECT resumer.pause(e.id, reason => %(reason)s::text, actor => %(actor)s::text) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: resume_in_scope
-- Leave a request for an execution that the caller reaches: resume.
SELECT resumer.resume(e.id, data => %(data)s::jsonb, actor => %(actor)s::text, reason => %(reason)s::text,
  force => %(force)s, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: retry_in_scope
-- Leave a request for an execution that the caller reaches: retry.
SELECT resumer.retry(e.id, reason => %(reason)s::text, actor => %(actor)s::text, from_step => %(from_step)s::text,
  skip_effect => %(skip_effect)s::text, pause_number => %(pause_number)s::integer) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: cancel_in_scope
-- Leave a request for an execution that the caller reaches: cancel.
SELECT resumer.cancel(e.id, reason => %(reason)s::text, actor => %(actor)s::text) AS request
FROM workflow_executions e
WHERE e.id = %(execution)s
  AND (%(everywhere)s OR e.organization_id = %(organization)s) --? organization

-- name: hold_in_scope
-- Hold a workflow that the caller reaches, or everything within its reach; of an organisation's caller, its own alone.
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
-- Release what the caller holds under this name, or others of its organisation do; returns how many executions go on.
SELECT resumer.release(
  %(workflow)s, actor => %(actor)s::text, per_second => %(per_second)s
  , organization_id => CASE WHEN NOT %(everywhere)s THEN %(organization)s::uuid END --? organization
) AS request
WHERE true
  AND (%(everywhere)s OR %(organization)s::uuid IS NOT NULL) --? organization

-- name: take_idempotency_key
-- Take a key of a caller, or learn what was asked under it: a request is there only where it was taken before. Who comes
-- second meanwhile waits for the first.
INSERT INTO resumer.idempotency_keys AS k (caller, key, fingerprint)
VALUES (%(caller)s, %(key)s, %(fingerprint)s)
ON CONFLICT (caller, key) DO UPDATE SET created_at = k.created_at
RETURNING k.fingerprint, k.request

-- name: store_idempotency_key
-- Keep the request that was left under a key.
UPDATE resumer.idempotency_keys k
SET request = %(request)s
WHERE k.caller = %(caller)s AND k.key = %(key)s

-- name: prune_idempotency_keys
-- Forget some keys that are older than a day; those that another transaction is about to forget are left to it.
DELETE FROM resumer.idempotency_keys k
WHERE (k.caller, k.key) IN (
  SELECT o.caller, o.key FROM resumer.idempotency_keys o
  WHERE o.created_at < statement_timestamp() - interval '1 day'
  ORDER BY o.created_at
  LIMIT 100
  FOR UPDATE SKIP LOCKED)

-- name: find_blocked
-- Executions that the service ended as blocked since a time, or for so many seconds, and that we know nothing of, or left
-- alone because they were not recent (claim.read_executions): those where an approval was asked for and is not used up,
-- oldest first, the next `limit` after a row. `since` is of the service's clock.
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
-- Ask for a look at each of these executions, as a trigger would have done had it been there.
SELECT resumer.adopt(id) FROM unnest(%(ids)s::uuid[]) AS v (id)

-- name: upsert_workflow
-- Put a definition into the service's table, for development; no ON CONFLICT, for the key differs between vintages.
WITH changed AS (
  UPDATE workflows SET name = %(name)s, definition = %(definition)s::jsonb
  WHERE workflow_id = %(workflow)s AND version = %(version)s
  RETURNING id
)
INSERT INTO workflows (workflow_id, version, name, definition)
SELECT %(workflow)s, %(version)s, %(name)s, %(definition)s::jsonb
WHERE NOT EXISTS (SELECT FROM changed)

-- name: resume_latency
-- Seconds from the deciding statement's start until its request was settled, by the database's clock.
SELECT extract(epoch FROM max(r.finished_at - r.requested_at))::float8 AS seconds
FROM resumer.settled_requests r
WHERE r.execution_id = %(id)s::uuid AND r.kind = 'approval' AND r.outcome = 'applied'
