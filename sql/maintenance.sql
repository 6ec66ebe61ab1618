-- Background work: find what triggers missed, repair, and erase old rows.
-- Run by store/maintenance.py.

-- name: guard_notify_queue
-- Suppress notifications while the server's notification queue is half full, and restore them when it is almost
-- empty, as the settings say. A full queue fails every COMMIT that notifies, and with it decisions.
WITH queue AS MATERIALIZED (
  SELECT pg_notification_queue_usage() AS usage
), wanted AS (
  SELECT CASE WHEN q.usage >= %(full)s THEN 'off' WHEN %(spares)s AND q.usage < %(free)s THEN %(notify)s END AS notify
  FROM queue q
), changed AS (
  UPDATE resumer.control c SET notify = w.notify FROM wanted w WHERE c.notify <> w.notify
  RETURNING c.notify
)
SELECT q.usage, (SELECT c.notify FROM changed c) AS became FROM queue q

-- name: mark_dead_instances
-- Mark daemons as dead, and expire their leases. A daemon is dead if it holds leases and, for as long as it
-- registered, has sent no heartbeat and recorded no lease that it still holds. A daemon without leases may be silent
-- for ever.
-- Nothing is marked unless `sure`: after an outage all daemons have been silent. A lease that waits for capacity has
-- no owner and has expired, so it is not read. Rows that somebody is writing are left for the next run.
WITH holders AS MATERIALIZED (
  SELECT l.instance, max(l.recorded_at) AS recorded_at
  FROM resumer.leases l
  WHERE l.lease_until > statement_timestamp() AND l.instance IS NOT NULL
  GROUP BY l.instance
), died AS (
  UPDATE resumer.instances i SET dead = true
  FROM holders h
  WHERE i.id = h.instance AND %(sure)s AND NOT i.dead
    AND greatest(i.heartbeat_at, h.recorded_at) < statement_timestamp() - i.silence
  RETURNING i.id
), dead AS MATERIALIZED (
  SELECT d.id FROM died d
  UNION
  SELECT i.id FROM holders h CROSS JOIN LATERAL (SELECT * FROM resumer.instances o WHERE o.id = h.instance OFFSET 0) AS i WHERE i.dead
), freed AS (
  UPDATE resumer.leases l SET lease_until = clock_timestamp()
  WHERE l.execution_id = ANY (ARRAY(
    SELECT o.execution_id FROM resumer.leases o
    WHERE o.lease_until > statement_timestamp() AND o.instance IN (SELECT d.id FROM dead d)
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF o SKIP LOCKED))
  RETURNING 1
)
SELECT ARRAY(SELECT d.id FROM died d) AS dead, (SELECT count(*) FROM freed) AS freed

-- name: release_expired_holds
-- End a hold whose time is over, oldest first, and release a slice of what an ended hold stopped or parked. A
-- transaction that parks requests by a hold has a share lock on its row, so the end of the hold waits for it. What it
-- parked is released with the next slice, by a new snapshot.
WITH over AS (
  UPDATE resumer.holds h SET released_at = clock_timestamp(), released_by = 'its time is over'
  WHERE h.released_at IS NULL AND h.id = (
    SELECT o.id FROM resumer.holds o WHERE o.released_at IS NULL AND o.until <= statement_timestamp() ORDER BY o.id LIMIT 1)
  RETURNING 1
), ending AS MATERIALIZED (
  SELECT h.id FROM resumer.holds h
  WHERE h.released_at IS NOT NULL AND h.ended_at IS NULL
  ORDER BY h.id LIMIT 1
  FOR UPDATE SKIP LOCKED
), going AS MATERIALIZED (
  SELECT l.going FROM ending e CROSS JOIN LATERAL resumer.end_hold(e.id, %(limit)s) AS l
)
SELECT coalesce((SELECT sum(g.going) FROM going g), 0)::bigint AS hold,
  EXISTS (SELECT FROM over) OR EXISTS (SELECT FROM ending) AS more

-- name: reconcile_vanished
-- A slice of the open pauses: close those whose execution was deleted. The journal stays. The requests become
-- `vanished`.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), gone AS MATERIALIZED (
  SELECT s.execution_id FROM slice s
  WHERE (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
), void AS (
  DELETE FROM resumer.resume_requests r WHERE r.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome)
  SELECT v.id, v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, v.payload, v.actor, v.reason, v.due_at,
    v.requested_at, 'vanished'
  FROM void v
), ended AS (
  UPDATE resumer.pauses p SET resumed_at = clock_timestamp(), resumed_by = 'vanished'
  WHERE p.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g)) AND p.resumed_by IS NULL
  RETURNING 1
)
SELECT (SELECT count(*) FROM ended) AS vanished,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after

-- name: reconcile_ended_pauses
-- A slice of the open pauses: insert an `adopt` request if another program has ended the pause and no trigger saw it.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), added AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT s.execution_id, 'adopt' FROM slice s
  WHERE (SELECT e.status FROM workflow_executions e WHERE e.id = s.execution_id) <> 'paused'
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.execution_id = s.execution_id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS foreign_pause,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after

-- name: reconcile_expiries
-- A slice of the open approval pauses: insert a request if an expiry has no timer at the right time.
-- It groups all requests instead of looking each approval up, because the requests of an execution have no index by
-- their approval.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.approval_ids, p.prior_approval_ids
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), times AS (
  SELECT a.execution_id, a.id AS approval, greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s AS expires,
    NULL::timestamptz AS due
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
  WHERE a.status = 'pending' AND a.expires_at < '9999-01-01' AND (a.id = ANY (s.approval_ids) OR a.id <> ALL (s.prior_approval_ids))
  UNION ALL
  SELECT r.execution_id, r.source_id, NULL, r.due_at
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM resumer.resume_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS r
  WHERE r.kind = 'timeout'
), wrong AS (
  SELECT t.execution_id FROM times t
  GROUP BY t.execution_id, t.approval
  HAVING coalesce(min(t.due), 'infinity') > max(t.expires) + interval '2 seconds'
), added AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT DISTINCT w.execution_id, 'adopt' FROM wrong w
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS expiry,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after

-- name: reconcile_decisions
-- A slice of the open pauses: insert a request for each decision that has none, as the trigger would.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.reason, p.approval_ids, p.prior_approval_ids
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), missed AS (
  -- EXCEPT, and not a look for each decision: the requests of an execution have no index by their approval
  SELECT a.execution_id, a.id, a.status::text AS status
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM approval_requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS a
  WHERE a.status <> 'pending' AND (a.id = ANY (s.approval_ids) OR a.id <> ALL (s.prior_approval_ids))
  EXCEPT
  SELECT r.execution_id, r.source_id, r.decision
  FROM slice s
  CROSS JOIN LATERAL (SELECT * FROM resumer.requests o WHERE o.execution_id = s.execution_id OFFSET 0) AS r
  WHERE r.kind = 'approval'
), found AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, actor)
  SELECT m.execution_id, 'approval', m.id, m.status, CASE WHEN m.status IN ('approved', 'rejected') THEN (
    SELECT o.approver_id FROM approval_requests o WHERE o.id = m.id LIMIT 1) END
  FROM missed m
  RETURNING 1
)
SELECT (SELECT count(*) FROM found) AS decision,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after

-- name: reconcile_executions
-- A slice of the executions by key: insert an `adopt` request for what another program wrote while no trigger fired.
-- That is a pause without a record or, once for each execution, a recent blocked end since the installation where an
-- approval was requested and there was no pause.
-- A request that a trigger left before the end says nothing about it. What ended earlier may be imported history.
-- The slice is counted before the status is compared, because no index of the service has the status and the key.
WITH times AS MATERIALIZED (
  SELECT GREATEST(c.installed_at, statement_timestamp() - c.adopt_within) AT TIME ZONE %(timezone)s AS earliest
  FROM resumer.control c WHERE c.adopt_blocked
), slice AS MATERIALIZED (
  SELECT e.id, e.status::text AS status, e.result::text AS result, coalesce(e.completed_at, e.started_at) AS ended
  FROM workflow_executions e
  WHERE e.id > %(after)s
  ORDER BY e.id
  LIMIT %(limit)s
), unrecorded AS MATERIALIZED (
  SELECT s.id FROM slice s
  WHERE s.status = 'paused'
    -- coalesce: a partial index that fits by its predicate alone would be read as a whole, should the plan be made on empty tables
    AND (SELECT max(p.number) FROM resumer.pauses p
         WHERE p.execution_id = s.id AND coalesce(p.resumed_at, 'infinity') = 'infinity') IS NULL
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.execution_id = s.id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
), blocked AS MATERIALIZED (
  SELECT s.id FROM times t CROSS JOIN slice s
  WHERE s.status = 'completed' AND s.result = 'blocked' AND s.ended >= t.earliest
    AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = s.id) IS NULL
    AND (SELECT count(*) FROM resumer.requests r
         WHERE r.execution_id = s.id AND (r.kind = 'start' OR (r.kind = 'adopt' AND r.decision = 'missed'))) = 0
    AND (SELECT count(*) FROM approval_requests a WHERE a.execution_id = s.id) > 0
), added AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, decision)
  SELECT u.id, 'adopt', NULL FROM unrecorded u
  UNION ALL
  SELECT b.id, 'adopt', 'missed' FROM blocked b
)
SELECT (SELECT count(*) FROM unrecorded) AS foreign_pause, (SELECT count(*) FROM blocked) AS blocked,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.id FROM slice s ORDER BY s.id DESC LIMIT 1) AS after

-- name: reconcile_parked_requests
-- A slice of the parked requests, oldest first: insert an `adopt` request for an execution that has ended and can no
-- longer use them. Settle those of an execution that was deleted, because no batch will read them again.
WITH slice AS MATERIALIZED (
  SELECT r.id, r.execution_id
  FROM resumer.resume_requests r
  WHERE r.outcome = 'held' AND r.id > %(after)s
  ORDER BY r.id
  LIMIT %(limit)s
), kept AS MATERIALIZED (
  SELECT s.execution_id, (SELECT e.status::text FROM workflow_executions e WHERE e.id = s.execution_id) AS status
  FROM slice s WHERE s.execution_id IS NOT NULL GROUP BY s.execution_id
), added AS (
  INSERT INTO resumer.resume_requests (execution_id, kind)
  SELECT k.execution_id, 'adopt' FROM kept k WHERE k.status IN ('completed', 'failed', 'cancelled')
  RETURNING 1
), gone AS (
  DELETE FROM resumer.resume_requests
  WHERE id = ANY (ARRAY(
    SELECT r.id FROM resumer.resume_requests r
    WHERE r.id = ANY (ARRAY(SELECT s.id FROM slice s JOIN kept k ON k.execution_id = s.execution_id WHERE k.status IS NULL))
      AND r.outcome = 'held'
    FOR UPDATE SKIP LOCKED))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome)
  SELECT g.id, g.execution_id, g.kind, g.source_id, g.decision, g.pause_number, g.payload, g.actor, g.reason, g.due_at,
    g.requested_at, CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = g.execution_id) IS NULL
      THEN 'orphan' ELSE 'vanished' END
  FROM gone g
  RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS held, (SELECT count(*) FROM settled) AS gone,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT max(s.id) FROM slice s) AS after

-- name: reconcile_events
-- A slice of the service's events by the time they came, from a time on or from a day ago: queue those that no
-- trigger saw, of types that some execution waits for, with the time they came. An execution that began later is not
-- meant, therefore the time.
-- A slice has all events of its last moment, and the next one begins after that. If it queued 10,000
-- events, the next slice begins at the same time again. At the end of the lap the next one begins a minute ago, because a writer of an event may not have
-- committed yet. The moment is a text because it may be infinite.
WITH slice AS MATERIALIZED (
  SELECT v.id, v.event_type, v.received_at, v.ctid AS place
  FROM events v
  WHERE v.received_at > coalesce(%(moment)s::timestamp, (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day')
  ORDER BY v.received_at
  FETCH FIRST %(limit)s ROWS WITH TIES
), missed AS MATERIALIZED (
  SELECT s.id, s.event_type, s.received_at, s.place
  FROM slice s
  WHERE (SELECT w.event_type FROM resumer.event_waits w WHERE w.event_type = s.event_type LIMIT 1) IS NOT NULL
    AND (SELECT c.event_capture FROM resumer.control c) <> 'off'
    AND (SELECT count(*) FROM resumer.event_queue q WHERE q.event_id = s.id) = 0
    AND (SELECT count(*) FROM resumer.captured_events c WHERE c.event_id = s.id) = 0
  LIMIT 10000
), added AS (
  INSERT INTO resumer.event_queue (event_id, event_type, captured_at, missed)
  SELECT m.id, m.event_type, least(m.received_at AT TIME ZONE %(timezone)s, statement_timestamp()), true
  FROM missed m
  ORDER BY m.received_at, m.place
  ON CONFLICT DO NOTHING
  RETURNING 1
), ended AS (
  SELECT (SELECT count(*) FROM missed) = 10000 AS again, (SELECT count(*) FROM slice) >= %(limit)s AS more,
    (SELECT s.received_at FROM slice s ORDER BY s.received_at DESC LIMIT 1) AS moment
)
SELECT (SELECT count(*) FROM added) AS event, e.again OR e.more AS more,
  CASE WHEN e.again THEN %(moment)s::text WHEN e.more THEN e.moment::text
    ELSE least(e.moment, (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 minute')::text END AS moment
FROM ended e

-- name: delete_vanished_leases
-- A slice of the leases: delete those of executions that were deleted, and the event waits of their branches.
WITH slice AS MATERIALIZED (
  SELECT l.execution_id, l.lease_until FROM resumer.leases l
  WHERE l.execution_id > %(after)s
  ORDER BY l.execution_id
  LIMIT %(limit)s
), gone AS (
  DELETE FROM resumer.leases l
  WHERE l.execution_id = ANY (ARRAY(
    SELECT s.execution_id FROM slice s
    WHERE coalesce(s.lease_until < statement_timestamp(), true)
      AND (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL))
  RETURNING l.execution_id
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
)
SELECT (SELECT count(*) FROM gone) AS lease,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after

-- name: erase_requests
-- A slice of the ledger by key: delete requests that were settled, and whose execution ended, longer ago than the
-- retention. Empty those of an execution that was deleted.
-- The start or cancel of an execution that never paused stays as long as the execution, without its payload, because
-- the guard recognizes an end of the daemon by it (resumer.is_ours).
WITH slice AS MATERIALIZED (
  SELECT r.id, r.execution_id, r.kind::text AS kind, r.outcome::text AS outcome, r.finished_at, r.payload IS NOT NULL AS full,
    e.status, e.completed_at
  FROM (SELECT * FROM resumer.settled_requests o WHERE o.id > %(after)s ORDER BY o.id LIMIT %(limit)s) AS r
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = r.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.id, s.status IS NOT NULL AND s.kind IN ('start', 'cancel') AND s.outcome = 'applied'
    AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = s.execution_id) IS NULL AS proves
  FROM slice s
  WHERE coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.settled_requests r WHERE r.id = ANY (ARRAY(SELECT o.id FROM old o WHERE NOT o.proves)) RETURNING 1
), emptied AS (
  UPDATE resumer.settled_requests r SET payload = NULL
  WHERE r.id = ANY (ARRAY(
    SELECT s.id FROM slice s LEFT JOIN old o ON o.id = s.id
    WHERE s.full AND (o.proves OR (s.status IS NULL AND o.id IS NULL))))
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS requests,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT max(s.id) FROM slice s) AS after

-- name: erase_events
-- A slice of the captured events by key: delete those that were captured longer ago than the retention, with their
-- keys. At least two days are kept: a deleted event would count as missed, because maintenance.reconcile_events reads
-- one day back, in any zone.
WITH slice AS MATERIALIZED (
  SELECT c.id, c.captured_at
  FROM resumer.captured_events c
  WHERE c.id > %(after)s
  ORDER BY c.id
  LIMIT %(limit)s
), old AS MATERIALIZED (
  SELECT s.id FROM slice s
  WHERE s.captured_at < clock_timestamp() - greatest(make_interval(secs => %(seconds)s), interval '2 days')
    AND (SELECT q.id FROM resumer.event_queue q WHERE q.id = s.id) IS NULL
), keys AS (
  DELETE FROM resumer.event_keys k WHERE k.captured_id = ANY (ARRAY(SELECT o.id FROM old o))
), trimmed AS (
  DELETE FROM resumer.captured_events c WHERE c.id = ANY (ARRAY(SELECT o.id FROM old o)) RETURNING 1
)
SELECT (SELECT count(*) FROM trimmed) AS events,
  -- they are in the order in which they came: the rest is kept
  (SELECT count(*) FROM slice) = %(limit)s AND (SELECT count(*) FROM old) > 0 AS more, (SELECT max(s.id) FROM slice s) AS after

-- name: erase_effects
-- A slice of the journal by key: delete effects of an execution that ended longer ago than the retention. Empty those
-- of an execution that was deleted.
WITH slice AS MATERIALIZED (
  SELECT f.key, coalesce(f.finished_at, f.intended_at) AS finished_at, e.status, e.completed_at
  FROM (SELECT * FROM resumer.effects o WHERE o.key > %(after)s ORDER BY o.key LIMIT %(limit)s) AS f
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = f.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.key FROM slice s
  WHERE coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.effects f WHERE f.key = ANY (ARRAY(SELECT o.key FROM old o)) RETURNING 1
), emptied AS (
  UPDATE resumer.effects f SET request = '{}', response = NULL, error = NULL
  WHERE f.key = ANY (ARRAY(SELECT s.key FROM slice s WHERE s.status IS NULL EXCEPT SELECT o.key FROM old o))
    AND (f.request <> '{}' OR f.response IS NOT NULL OR f.error IS NOT NULL)
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS effects,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.key FROM slice s ORDER BY s.key DESC LIMIT 1) AS after

-- name: erase_messages
-- A slice of the outbox by key: delete messages of an execution that ended longer ago than the retention. Empty those
-- of an execution that was deleted. Pending messages stay until they are delivered or given up.
WITH slice AS MATERIALIZED (
  SELECT m.key, m.state, coalesce(m.delivered_at, m.created_at) AS finished_at, e.status, e.completed_at
  FROM (SELECT * FROM resumer.outbox o WHERE o.key > %(after)s ORDER BY o.key LIMIT %(limit)s) AS m
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = m.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.key FROM slice s
  WHERE s.state <> 'pending' AND coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.outbox m WHERE m.key = ANY (ARRAY(SELECT o.key FROM old o)) RETURNING 1
), emptied AS (
  UPDATE resumer.outbox m SET body = '{}', error = NULL, delivered_to = '{}'
  WHERE m.key = ANY (ARRAY(
      SELECT s.key FROM slice s WHERE s.status IS NULL AND s.state <> 'pending' EXCEPT SELECT o.key FROM old o))
    AND m.state <> 'pending' AND (m.body <> '{}' OR m.error IS NOT NULL OR m.delivered_to <> '{}')
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS outbox,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.key FROM slice s ORDER BY s.key DESC LIMIT 1) AS after

-- name: erase_pauses
-- A slice of the pauses by key: empty those of an execution that ended longer ago than the retention, or that was
-- deleted. Delete those of one that was deleted longer ago. Otherwise a row stays as long as its execution: the guard
-- recognizes an end of the daemon by it (resumer.is_ours), and nobody adopts the execution again.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.number, p.resumed_at, e.status, e.completed_at
  FROM (
    SELECT * FROM resumer.pauses o WHERE (o.execution_id, o.number) > (%(after)s::uuid, %(number)s::integer)
    ORDER BY o.execution_id, o.number LIMIT %(limit)s) AS p
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = p.execution_id LIMIT 1) AS e ON true
), over AS MATERIALIZED (
  SELECT s.execution_id, s.number, s.status,
    coalesce(greatest(s.resumed_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s), false) AS old
  FROM slice s
  WHERE s.resumed_at IS NOT NULL AND coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
), deleted AS (
  DELETE FROM resumer.pauses p
  USING over o WHERE p.execution_id = o.execution_id AND p.number = o.number AND o.status IS NULL AND o.old
  RETURNING 1
), emptied AS (
  UPDATE resumer.pauses p SET state = NULL, next_steps = '{}', waiting = '{}', incident = NULL, manual_pause = NULL, definition = NULL
  FROM over o
  WHERE p.execution_id = o.execution_id AND p.number = o.number AND CASE WHEN o.status IS NULL THEN NOT o.old ELSE o.old END
    AND (p.state IS NOT NULL OR p.definition IS NOT NULL OR p.incident IS NOT NULL OR p.manual_pause IS NOT NULL
      OR p.next_steps <> '{}' OR p.waiting <> '{}')
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS pauses,
  (SELECT count(*) FROM slice) = %(limit)s AS more, l.execution_id AS after, l.number
FROM (SELECT) AS always
LEFT JOIN (SELECT s.execution_id, s.number FROM slice s ORDER BY s.execution_id DESC, s.number DESC LIMIT 1) AS l ON true

-- name: erase_definitions
-- A slice of the definitions by key: delete those that no open pause and no lease uses, and whose last use is longer
-- ago than the retention. At least two days are kept: a transaction that is about to use one has written that, or has
-- read that it was written within a day.
WITH slice AS MATERIALIZED (
  SELECT d.sha256, d.used_at FROM resumer.definitions d WHERE d.sha256 > %(after)s ORDER BY d.sha256 LIMIT %(limit)s
), unused AS MATERIALIZED (
  SELECT s.sha256 FROM slice s
  WHERE s.used_at < statement_timestamp() - greatest(make_interval(secs => %(seconds)s), interval '2 days')
    AND %(seconds)s::float8 IS NOT NULL
    AND (SELECT l.execution_id FROM resumer.leases l WHERE l.definition = s.sha256 LIMIT 1) IS NULL
    AND (SELECT p.number FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.definition = s.sha256 LIMIT 1) IS NULL
), deleted AS (
  DELETE FROM resumer.definitions d
  USING slice s
  WHERE d.sha256 = s.sha256 AND d.used_at = s.used_at AND s.sha256 = ANY (ARRAY(SELECT u.sha256 FROM unused u))
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) AS definitions,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.sha256 FROM slice s ORDER BY s.sha256 DESC LIMIT 1) AS after
