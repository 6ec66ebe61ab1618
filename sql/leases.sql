-- Take, fence, extend, expire and take over leases; write the journal of effects.
-- Run by store/leases.py.

-- name: take_leases
-- Take or keep the leases of executions that run beyond this transaction, and write the state to continue from. A new
-- owner raises the epoch. Every later write of the old owner then updates zero rows. A lease without seconds has no
-- owner: it waits for capacity, and any daemon takes it as if it had expired.
INSERT INTO resumer.leases AS l (execution_id, instance, lease_until, state, definition)
SELECT v.execution_id, CASE WHEN v.seconds IS NOT NULL THEN %(instance)s::uuid END,
  clock_timestamp() + make_interval(secs => coalesce(v.seconds, 0)), v.state, v.definition
FROM unnest(%(execution_ids)s::uuid[], %(seconds)s::float8[], %(states)s::jsonb[], %(definitions)s::text[])
  AS v (execution_id, seconds, state, definition)
ON CONFLICT (execution_id) DO UPDATE SET
  epoch = greatest(l.epoch + 1, EXCLUDED.epoch), -- with each durable point, so that a daemon whose commit had no response finds that it succeeded
  instance = EXCLUDED.instance,
  lease_until = EXCLUDED.lease_until,
  state = EXCLUDED.state,
  definition = EXCLUDED.definition,
  takeovers = 0,
  recorded_at = clock_timestamp()
RETURNING l.execution_id, l.epoch

-- name: fence_execution
-- Lock the execution: the first half of the fence. It must be a row lock. A fence by join or EXISTS reads a snapshot
-- and would let a daemon that lost its lease write after the new owner's commit.
-- The order of locks is that of the claim: execution, holds, lease. A transaction that waits for an execution holds
-- nothing that a release waits for.
WITH running AS MATERIALIZED (
  SELECT e.id FROM workflow_executions e WHERE e.id = %(id)s AND e.status = 'running' FOR NO KEY UPDATE
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM running)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM running) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds

-- name: fence_lease
-- Check the lease: the second half of the fence. Zero rows mean that another daemon has it.
UPDATE resumer.leases SET takeovers = 0 WHERE execution_id = %(id)s AND epoch = %(epoch)s AND lease_until IS NOT NULL
RETURNING epoch

-- name: find_recorded_lease
-- Find a lease of this daemon and epoch that was not taken over since. The response to the commit that wrote it was
-- lost. A take-over raises `takeovers`.
SELECT FROM resumer.leases
WHERE execution_id = %(id)s AND epoch = %(epoch)s AND instance = %(instance)s AND takeovers = 0 AND lease_until IS NOT NULL

-- name: delete_leases
-- Delete leases. The next owner gets a higher epoch, because all epochs come from one sequence.
DELETE FROM resumer.leases WHERE execution_id = ANY (%(execution_ids)s::uuid[])

-- name: expire_leases
-- Expire the leases of a daemon that stops, so that the next daemon that polls takes them over. A lease
-- without an end stays without one.
UPDATE resumer.leases l SET lease_until = clock_timestamp()
FROM unnest(%(execution_ids)s::uuid[], %(epochs)s::bigint[]) AS v (execution_id, epoch)
WHERE l.execution_id = v.execution_id AND l.epoch = v.epoch AND l.lease_until IS NOT NULL

-- name: expire_unknown_leases
-- Expire leases of this daemon for executions that it does not run: the response to the commit that took them was
-- lost. The instance stays in the row: should the effect have been sent after all, the journal must not claim that it
-- was not.
UPDATE resumer.leases SET lease_until = clock_timestamp()
WHERE instance = %(instance)s AND lease_until > statement_timestamp() AND execution_id <> ALL (%(running)s::uuid[])

-- name: requeue_lease
-- Give up a lease whose effects have not begun, because this daemon has no free slot. Any daemon with a free slot
-- takes it after so many seconds.
UPDATE resumer.leases
SET instance = NULL, takeovers = 0, lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE execution_id = %(id)s AND epoch = %(epoch)s AND lease_until IS NOT NULL

-- name: claim_expired_leases
-- Lock executions whose lease has expired, whoever owned it. Skip locked ones and those whose state a newer version
-- wrote.
WITH past AS MATERIALIZED (
  SELECT e.id
  FROM resumer.leases l
  JOIN workflow_executions e ON e.id = l.execution_id
  WHERE l.lease_until < statement_timestamp() AND coalesce(l.state -> 'v' <= to_jsonb(%(version)s::integer), true)
  ORDER BY l.lease_until
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF e SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM past)::text, true)::uuid[] AS ids,
  set_config('resumer.holds', ARRAY(
    SELECT h.id FROM resumer.holds h WHERE h.released_at IS NULL AND (SELECT count(*) FROM past) > 0 FOR SHARE SKIP LOCKED)::text, true) AS holds

-- name: find_newer_leases
-- Find expired leases whose state a newer version wrote, longest first. Daemons of this version leave them to it.
SELECT l.execution_id
FROM (
  SELECT o.execution_id, o.state FROM resumer.leases o
  WHERE o.lease_until < statement_timestamp()
  ORDER BY o.lease_until
  LIMIT 1000) AS l
WHERE l.state -> 'v' > to_jsonb(%(version)s::integer)
LIMIT 100

-- name: take_over_leases
-- Take over expired leases of locked executions. The epoch is the next of the sequence. `takeovers` grows by one,
-- unless the lease waited for capacity. Taking a lease counts as a heartbeat.
-- It is an INSERT that always conflicts, because only an INSERT may use the sequence with the rights on the table.
INSERT INTO resumer.leases AS l (execution_id)
SELECT p.execution_id FROM resumer.leases p
WHERE p.execution_id = ANY (%(ids)s::uuid[]) AND p.lease_until < clock_timestamp()
ON CONFLICT (execution_id) DO UPDATE SET
  epoch = greatest(l.epoch + 1, EXCLUDED.epoch), takeovers = l.takeovers + CASE WHEN l.instance IS NULL THEN 0 ELSE 1 END,
  instance = %(instance)s, recorded_at = clock_timestamp(),
  lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
RETURNING l.execution_id, l.epoch, l.takeovers, l.state::text AS state, l.definition

-- name: extend_leases
-- Extend leases that were just taken over, for as long as their effects may take, including the delay before them.
UPDATE resumer.leases l SET lease_until = clock_timestamp() + make_interval(secs => v.seconds)
FROM unnest(%(execution_ids)s::uuid[], %(seconds)s::float8[]) AS v (execution_id, seconds)
WHERE l.execution_id = v.execution_id

-- name: requeue_parked_requests
-- Make requests due again that were parked while an execution ran.
INSERT INTO resumer.resume_requests (execution_id, kind)
SELECT DISTINCT r.execution_id, 'adopt' FROM resumer.resume_requests r
WHERE r.execution_id = ANY (%(execution_ids)s::uuid[]) AND r.outcome = 'held'

-- name: find_branch_inputs
-- Find input for a branch of a running execution: a due or parked request, the earliest due time of a branch, or a
-- decision or expiry without a request or timer.
SELECT FROM resumer.resume_requests r
WHERE r.execution_id = %(id)s AND r.kind IN ('approval', 'event', 'timeout')
  AND (r.outcome = 'held' OR (r.outcome IS NULL AND r.due_at <= statement_timestamp()))
UNION ALL
SELECT WHERE %(due)s::timestamptz <= clock_timestamp()
UNION ALL
SELECT FROM approval_requests a
WHERE a.id = ANY (%(approval_ids)s::uuid[])
  AND (a.status <> 'pending' OR a.expires_at <= statement_timestamp() AT TIME ZONE %(timezone)s)
LIMIT 1

-- name: insert_intents
-- Record the intent of effects before they are sent, and when they may be sent. The rendered request and its key are
-- the same in every attempt.
INSERT INTO resumer.effects AS f (key, execution_id, path, kind, request, delivery, status, attempts, epoch, next_at)
SELECT v.key, v.execution_id, v.path, v.kind, v.request, v.delivery, 'intent', v.attempt, l.epoch,
  CASE WHEN v.delay > 0 THEN clock_timestamp() + make_interval(secs => v.delay) END
FROM unnest(
    %(keys)s::text[], %(execution_ids)s::uuid[], %(paths)s::text[], %(kinds)s::text[], %(requests)s::jsonb[],
    %(deliveries)s::text[], %(attempts)s::integer[], %(delays)s::float8[]
  ) AS v (key, execution_id, path, kind, request, delivery, attempt, delay)
JOIN resumer.leases l ON l.execution_id = v.execution_id
ON CONFLICT (key) DO UPDATE SET status = 'intent', attempts = EXCLUDED.attempts, epoch = EXCLUDED.epoch,
  next_at = EXCLUDED.next_at
WHERE f.attempts < EXCLUDED.attempts

-- name: update_outcomes
-- Record the outcome of effects.
UPDATE resumer.effects f
SET status = v.status, response = v.response, error = v.error, finished_at = clock_timestamp()
FROM unnest(%(keys)s::text[], %(statuses)s::text[], %(responses)s::jsonb[], %(errors)s::text[])
  AS v (key, status, response, error)
WHERE f.key = v.key

-- name: find_ambiguous_effects
-- Find effects that must not be sent twice and whose outcome is unknown. A record is written together with its
-- outcome.
SELECT f.execution_id, f.key FROM resumer.effects f
WHERE f.execution_id = ANY (%(ids)s::uuid[]) AND f.status = 'intent' AND f.delivery = 'at_most_once' AND f.kind <> 'record'

-- name: read_effect_delays
-- Read the seconds until delayed effects may be sent, by key.
SELECT f.key, extract(epoch FROM f.next_at - clock_timestamp())::float8 AS seconds FROM resumer.effects f
WHERE f.execution_id = ANY (%(ids)s::uuid[]) AND f.status = 'intent' AND f.next_at > clock_timestamp()
