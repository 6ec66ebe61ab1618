-- Ask what is due, fan events out, settle requests without an execution, and switch NOTIFY.
-- Run by store/inbox.py.

-- name: read_queue_status
-- Read what is due, within bounds: up to 1,000 due requests that were not claimed, the seconds until the next timer
-- (if within `within` seconds), whether events wait for fan-out or search, whether leases have expired, and the
-- seconds until a notification is due.
-- `back`, `around` and `after` skip index entries that an old snapshot keeps. `back` bounds how long ago requests
-- became due, `around` the same of leases and notifications. The queue of events is read from the id `after`.
-- Also read for how many seconds a daemon suppresses NOTIFY, and the open transactions, because one of them may have
-- seen that it does. `ahead`: one of the newest requests has no reason to wait but is due later, so the clock went
-- back. Executions in `without` are left to a newer version.
SELECT
  (SELECT count(*) FROM (
    SELECT FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
      AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
      AND (r.execution_id IS NULL OR r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[])))
    ORDER BY r.due_at
    LIMIT 1000) AS due) AS "left",
  (SELECT extract(epoch FROM r.due_at - statement_timestamp())::float8 FROM resumer.resume_requests r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()
     AND r.due_at <= statement_timestamp() + make_interval(secs => %(within)s)
   ORDER BY r.due_at LIMIT 1) AS next_due,
  (SELECT q.id FROM resumer.event_queue q WHERE q.id > %(after)s ORDER BY q.id LIMIT 1) IS NOT NULL AS events,
  (SELECT count(*) FROM resumer.event_types t
   WHERE NOT t.complete AND coalesce(t.mark, 0) <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) > 0 AS searches,
  (SELECT l.execution_id FROM resumer.leases l
   WHERE l.lease_until < statement_timestamp() AND l.lease_until >= statement_timestamp() - make_interval(secs => %(around)s)
   ORDER BY l.lease_until LIMIT 1) IS NOT NULL AS leases,
  (SELECT extract(epoch FROM o.next_at - statement_timestamp())::float8 FROM resumer.outbox o
   WHERE o.state = 'pending' AND o.kind = 'notify'
     AND o.next_at >= statement_timestamp() - make_interval(secs => %(around)s)
     AND o.next_at <= statement_timestamp() + make_interval(secs => %(within)s)
   ORDER BY o.next_at LIMIT 1) AS next_message,
  (SELECT extract(epoch FROM least(c.polling_until, clock_timestamp() + interval '1 hour') - clock_timestamp())::float8
   FROM resumer.control c WHERE c.polling_until > clock_timestamp()) AS suppressed_for,
  (SELECT count(*) FROM (
    SELECT * FROM resumer.resume_requests o WHERE o.id > s.last_value - 100 ORDER BY o.id LIMIT 100) AS r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp() AND r.kind <> 'timeout'
     AND r.decision IS DISTINCT FROM 'second_look') > 0 AS ahead,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
  s.last_value AS newest_id,
  extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS took
FROM resumer.resume_requests_id_seq s

-- name: suppress_notify
-- Suppress NOTIFY for one more second, because this daemon polls. Daemons that wait for notifications are notified
-- once, when it begins: should this daemon crash, somebody must poll for what was committed meanwhile. A server crash
-- ends the suppression, so the commit waits for no flush and no standby.
UPDATE resumer.control c SET polling_until = clock_timestamp() + interval '1 second'
FROM (SELECT o.polling_until <= clock_timestamp() AS restored FROM resumer.control o) AS before
WHERE c.notify <> 'off'
RETURNING CASE WHEN before.restored THEN pg_notify('resumer_wake', '') END, set_config('synchronous_commit', 'off', true)

-- name: restore_notify
-- Re-enable NOTIFY because this daemon stops polling. A daemon that still polls suppresses it again within 0.5 s. If
-- a server crash loses this write, the suppression ends within a second, so the commit waits for no flush and no
-- standby.
UPDATE resumer.control SET polling_until = '-infinity' WHERE polling_until <> '-infinity'
RETURNING set_config('synchronous_commit', 'off', true)

-- name: follow_clock
-- Move times to the new clock, after the server's clock went back, as after a failover to a host that is behind.
-- Only timers wait for a due time. A decision, an event or a person's request that is due later than now was made
-- before. A lease keeps its length. A heartbeat, a message that was never tried and the suppression of NOTIFY count
-- from now.
-- Bounded: after the first 100,000 timers the next call continues.
WITH ahead AS MATERIALIZED (
  SELECT r.id, r.kind, r.decision FROM resumer.resume_requests r
  WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()
  ORDER BY r.due_at, r.id
  LIMIT 100000
), leases AS (
  UPDATE resumer.leases l
  SET lease_until = l.lease_until - (l.recorded_at - statement_timestamp()), recorded_at = statement_timestamp()
  WHERE l.lease_until > statement_timestamp() AND l.recorded_at > statement_timestamp() + interval '1 second'
), instances AS (
  UPDATE resumer.instances i SET heartbeat_at = statement_timestamp()
  WHERE i.heartbeat_at > statement_timestamp() + interval '1 second'
), messages AS (
  UPDATE resumer.outbox o SET next_at = statement_timestamp()
  WHERE o.state = 'pending' AND o.kind = 'notify' AND o.attempts = 0 AND o.next_at > statement_timestamp()
), suppression AS (
  UPDATE resumer.control c SET polling_until = '-infinity' WHERE c.polling_until > statement_timestamp() + interval '2 seconds'
)
UPDATE resumer.resume_requests r SET due_at = statement_timestamp()
WHERE r.outcome IS NULL AND r.due_at > statement_timestamp() AND r.id = ANY (ARRAY(
  SELECT a.id FROM ahead a WHERE a.kind <> 'timeout' AND a.decision IS DISTINCT FROM 'second_look'))

-- name: settle_orphans
-- Settle requests without an execution, or of one that was deleted. `back`: requests that became due earlier than
-- that many seconds ago are not read.
WITH gone AS (
  DELETE FROM resumer.resume_requests
  WHERE id = ANY (ARRAY(
    SELECT r.id FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
      AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
      AND (SELECT e.id FROM workflow_executions e WHERE e.id = r.execution_id) IS NULL
    ORDER BY r.due_at, r.id
    LIMIT 1000
    FOR UPDATE SKIP LOCKED))
  RETURNING *
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome)
SELECT g.id, g.execution_id, g.kind, g.source_id, g.decision, g.pause_number, g.payload, g.actor, g.reason, g.due_at,
  g.requested_at, CASE WHEN (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = g.execution_id) IS NULL
    THEN 'orphan' ELSE 'vanished' END
FROM gone g
RETURNING kind, outcome

-- name: fail_requests
-- Settle the due requests of an execution as failed, if not even an incident can be written, so that they delay
-- nothing else.
WITH failed AS (
  DELETE FROM resumer.resume_requests
  WHERE execution_id = %(id)s AND outcome IS NULL AND due_at <= statement_timestamp()
  RETURNING *
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT f.id, f.execution_id, f.kind, f.source_id, f.decision, f.pause_number, f.payload, f.actor, left(%(why)s, 1000), f.due_at,
  f.requested_at, 'failed',
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = f.execution_id) --? organization
  NULL --? no_organization
FROM failed f

-- name: search_events
-- Search the service's table for events of a newly registered type that no trigger captured: a slice, from the time
-- that a wait counts from, or from where the previous slice ended. They are queued with the time they came.
-- The first search finds what was committed before it. The second one begins when every transaction has ended that
-- was open then, because such a transaction may not have seen that the type is registered. Returns a row for each
-- slice.
WITH sought AS MATERIALIZED (
  SELECT t.event_type, t.since, t.searched_to::timestamp AS searched_to, t.mark
  FROM resumer.event_types t
  WHERE NOT t.complete AND coalesce(t.mark, 0) <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  ORDER BY t.event_type
  LIMIT 1
  FOR UPDATE SKIP LOCKED
), slice AS MATERIALIZED (
  SELECT s.event_type AS sought, v.id, v.event_type::text AS event_type, v.received_at, v.place
  FROM sought s
  CROSS JOIN LATERAL (
    SELECT o.id, o.event_type, o.received_at, o.ctid AS place FROM events o
    WHERE o.received_at > coalesce(s.searched_to, s.since AT TIME ZONE %(timezone)s - interval '1 microsecond')
    ORDER BY o.received_at
    FETCH FIRST %(limit)s ROWS WITH TIES) AS v
), entered AS (
  INSERT INTO resumer.event_queue (event_id, event_type, captured_at, missed)
  SELECT s.id, s.event_type, least(s.received_at AT TIME ZONE %(timezone)s, statement_timestamp()), true
  FROM slice s
  WHERE s.event_type = s.sought AND (SELECT c.event_capture FROM resumer.control c) <> 'off'
    AND (SELECT count(*) FROM resumer.event_queue q WHERE q.event_id = s.id) = 0
    AND (SELECT count(*) FROM resumer.captured_events c WHERE c.event_id = s.id) = 0
  ORDER BY s.received_at, s.place
  ON CONFLICT DO NOTHING
), ended AS (
  SELECT count(*) < %(limit)s AS lap, max(s.received_at) AS moment FROM slice s
)
UPDATE resumer.event_types t
SET searched_to = CASE WHEN NOT e.lap THEN e.moment::text END,
  mark = CASE WHEN NOT e.lap OR s.mark IS NOT NULL THEN s.mark ELSE pg_snapshot_xmax(pg_current_snapshot())::text::bigint END,
  complete = e.lap AND s.mark IS NOT NULL
FROM sought s, ended e
WHERE t.event_type = (SELECT o.event_type FROM sought o)
RETURNING t.event_type

-- name: discard_events
-- Delete the oldest queued events whose type no execution waits for and which start no workflow. They are marked as
-- processed, like those that start one. Returns how many.
WITH oldest AS MATERIALIZED (
  SELECT q.id, q.event_id, q.event_type FROM resumer.event_queue q
  WHERE q.id > %(after)s
  ORDER BY q.id
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), unwanted AS MATERIALIZED (
  SELECT t.event_type
  FROM (SELECT DISTINCT o.event_type FROM oldest o) AS t
  WHERE NOT EXISTS (SELECT FROM resumer.event_types k WHERE k.event_type = t.event_type)
    AND (SELECT count(*) FROM workflows w
      CROSS JOIN LATERAL (SELECT coalesce(w.definition #> '{definition,trigger}', w.definition -> 'trigger') AS trigger) AS g
      WHERE w.enabled AND coalesce(g.trigger ->> 'type', 'event') = 'event'
        AND (g.trigger ->> 'event' = t.event_type
          OR (g.trigger ->> 'event' LIKE '%%*' AND starts_with(t.event_type, left(g.trigger ->> 'event', -1))))) = 0
), discarded AS (
  DELETE FROM resumer.event_queue q
  WHERE q.id = ANY (ARRAY(SELECT o.id FROM oldest o WHERE o.event_type IN (SELECT u.event_type FROM unwanted u)))
  RETURNING q.event_id, q.missed
), processed AS (
  UPDATE events v SET processed_at = statement_timestamp() AT TIME ZONE %(timezone)s
  FROM (SELECT set_config('search_path', %(search_path)s, true)) AS p
  WHERE v.id = ANY (ARRAY(SELECT d.event_id FROM discarded d WHERE NOT d.missed))
)
SELECT count(*) AS discarded FROM discarded

-- name: insert_event_keys
-- Insert the keys that find events later, for the oldest queued events. Returns their ids.
-- The fan-out begins after this commits. Otherwise a pause that is recorded meanwhile would miss an event that the
-- fan-out does not see the pause for.
WITH due AS (
  SELECT q.id, q.event_id, q.captured_at, q.missed
  FROM resumer.event_queue q
  -- earlier ones may be missing until those of its type have been searched once
  WHERE q.id > %(after)s
    AND (SELECT count(*) FROM resumer.event_types t WHERE t.event_type = q.event_type AND NOT t.complete AND t.mark IS NULL) = 0
  ORDER BY q.id
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED
), happened AS MATERIALIZED (
  SELECT d.id, v.event_type::text AS event_type, v.payload, resumer.event_names_of(v.payload) AS names,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    v.organization_id --? organization
  FROM due d CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = d.event_id LIMIT 1) AS v
), named AS MATERIALIZED (
  SELECT h.event_type, h.organization_id, h.names, n.names IS NOT NULL AS known,
    (SELECT count(*) FROM resumer.event_names o
     WHERE o.event_type = h.event_type AND o.organization_id = h.organization_id) < 64 AS free
  FROM (SELECT DISTINCT o.event_type, o.organization_id, o.names FROM happened o) AS h
  LEFT JOIN LATERAL (
    SELECT o.names FROM resumer.event_names o
    WHERE o.event_type = h.event_type AND o.organization_id = h.organization_id AND o.names = h.names
    LIMIT 1) AS n ON true
  WHERE h.names IS NOT NULL AND h.organization_id IS NOT NULL
), added AS (
  INSERT INTO resumer.event_names (event_type, organization_id, names)
  SELECT n.event_type, n.organization_id, n.names FROM named n WHERE n.free AND NOT n.known
  ORDER BY n.event_type, n.organization_id, n.names
  ON CONFLICT DO NOTHING
), captured AS (
  INSERT INTO resumer.captured_events (id, event_id, captured_at, missed)
  SELECT d.id, d.event_id, d.captured_at, d.missed FROM due d
  ORDER BY d.id
  ON CONFLICT DO NOTHING
), keyed AS (
  INSERT INTO resumer.event_keys (key, captured_id)
  SELECT DISTINCT resumer.event_key(h.event_type, h.organization_id, t.term), h.id
  FROM happened h
  LEFT JOIN named n ON n.event_type = h.event_type AND n.organization_id = h.organization_id AND n.names = h.names
    AND (n.free OR n.known)
  CROSS JOIN LATERAL unnest(
    ARRAY['', coalesce('~' || array_to_string(n.names, ','), '*')] || resumer.event_terms(h.payload)) AS t (term)
  WHERE h.organization_id IS NOT NULL
  ORDER BY 2, 1
  ON CONFLICT DO NOTHING
)
SELECT d.id FROM due d

-- name: fan_out_events
-- Insert a request for each execution that waits for one of these events, in its organization, and delete the event
-- from the queue. Its keys are committed (inbox.insert_event_keys).
-- An index finds the waits: for each kind of condition that the waits of a type have (`anchor`), those with the
-- event's value. What SQL cannot decide, the engine decides under the execution's lock.
-- One event ends a wait, so a wait gets the oldest event of the batch (events that no trigger saw come first), and
-- none while another event that may end it is unsettled. If that one does not end it, the daemon looks for past
-- events (record.requeue_past_events).
-- With `route`, also start workflows whose newest version the event triggers, except for an event that no trigger
-- saw.
-- If an event has more waits than one statement has time for, it is handed over in slices of executions by the hash
-- of their ids: from the place in its row, for `width` hashes. A wait that begins meanwhile looks for past events.
-- Returns the outcome of each event, NULL for one that was not handed over to all.
WITH RECURSIVE due AS (
  SELECT q.id, q.event_id, q.captured_at, q.missed, q.place
  FROM resumer.event_queue q
  WHERE q.id = ANY (%(captured)s::bigint[])
  ORDER BY q.id
  FOR UPDATE SKIP LOCKED
), happened AS MATERIALIZED (
  SELECT d.id AS captured, d.captured_at, d.missed, v.id, v.event_type, v.payload,
    d.place, d.place + %(width)s::bigint AS beyond,
    '00000000-0000-0000-0000-000000000000'::uuid AS organization_id --? no_organization
    v.organization_id --? organization
  FROM due d
  -- one that was captured twice has its keys under the first id alone
  JOIN resumer.captured_events c ON c.id = d.id
  CROSS JOIN LATERAL (SELECT * FROM events o WHERE o.id = d.event_id LIMIT 1) AS v
), anchors AS (
  SELECT t.event_type, t.organization_id, a.anchor
  FROM (SELECT DISTINCT h.event_type, h.organization_id FROM happened h) AS t
  CROSS JOIN LATERAL (
    SELECT w.anchor FROM resumer.event_waits w
    WHERE w.event_type = t.event_type AND w.organization_id = t.organization_id
    ORDER BY w.event_type, w.organization_id, w.anchor LIMIT 1) AS a
  UNION ALL
  SELECT l.event_type, l.organization_id, a.anchor
  FROM anchors l
  CROSS JOIN LATERAL (
    SELECT w.anchor FROM resumer.event_waits w
    WHERE w.event_type = l.event_type AND w.organization_id = l.organization_id AND w.anchor > l.anchor
    ORDER BY w.event_type, w.organization_id, w.anchor LIMIT 1) AS a
), lookups AS MATERIALIZED (
  SELECT h.*, a.anchor, resumer.index_text(n.value) AS value,
    a.anchor = '' OR (a.anchor LIKE '~%%' AND n.value IS NULL) AS whole
  FROM happened h
  JOIN anchors a ON a.event_type = h.event_type AND a.organization_id = h.organization_id
  CROSS JOIN LATERAL (SELECT substr(a.anchor, 2) AS path) AS p
  CROSS JOIN LATERAL (
    SELECT CASE WHEN a.anchor LIKE '=%%' THEN coalesce(h.payload #> string_to_array(p.path, '.'), h.payload -> p.path)
      WHEN jsonb_typeof(h.payload -> p.path) = 'object' THEN h.payload -> p.path -> 'id' END AS value) AS n
), handed AS (
  SELECT w.execution_id, w.pause_number, w.path, w.match, w.entities, q.captured, q.missed, q.id, q.event_type, q.payload
  FROM lookups q
  CROSS JOIN LATERAL (
    SELECT o.*, uuid_hash(o.execution_id) + 2147483648 AS place FROM resumer.event_waits o
    WHERE o.event_type = q.event_type AND o.organization_id = q.organization_id AND o.anchor = q.anchor
      AND o.value = q.value) AS w
  WHERE NOT q.whole AND w.place >= q.place AND w.place < q.beyond AND resumer.may_end(w.match, w.entities, q.payload)
    -- a wait that counts from the future was recorded before the clock went back: every event is newer
    AND CASE WHEN w.since_id IS NULL OR q.missed THEN q.captured_at >= w.since OR w.since > statement_timestamp()
      ELSE q.captured > w.since_id END
  UNION ALL
  -- an event without the value is for all waits of the anchor: each of them looks for its first one
  SELECT w.execution_id, w.pause_number, w.path, w.match, w.entities, f.captured, f.missed, f.id, f.event_type, f.payload
  FROM (SELECT DISTINCT q.event_type, q.organization_id, q.anchor FROM lookups q WHERE q.whole) AS t
  CROSS JOIN LATERAL (
    SELECT o.*, uuid_hash(o.execution_id) + 2147483648 AS place FROM resumer.event_waits o
    WHERE o.event_type = t.event_type AND o.organization_id = t.organization_id AND o.anchor = t.anchor OFFSET 0) AS w
  CROSS JOIN LATERAL (
    SELECT q.captured, q.missed, q.id, q.event_type, q.payload
    FROM (
      SELECT * FROM lookups o
      WHERE o.whole AND o.event_type = t.event_type AND o.organization_id = t.organization_id AND o.anchor = t.anchor
        AND w.place >= o.place AND w.place < o.beyond
      ORDER BY NOT o.missed, o.captured OFFSET 0) AS q
    WHERE resumer.may_end(w.match, w.entities, q.payload)
      AND CASE WHEN w.since_id IS NULL OR q.missed THEN q.captured_at >= w.since OR w.since > statement_timestamp()
        ELSE q.captured > w.since_id END
    LIMIT 1) AS f
), found AS (
  SELECT DISTINCT ON (h.execution_id, h.pause_number, h.path) h.*
  FROM handed h
  ORDER BY h.execution_id, h.pause_number, h.path, NOT h.missed, h.captured
), fanned AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, pause_number, payload)
  SELECT f.execution_id, 'event', f.id, f.event_type, f.pause_number, f.payload
  FROM (
    SELECT DISTINCT ON (o.execution_id, o.id) o.* FROM found o
    WHERE (SELECT count(*) FROM resumer.resume_requests r
           WHERE r.execution_id = o.execution_id AND r.kind = 'event' AND (r.outcome IS NULL OR r.outcome = 'held')
             AND r.pause_number = o.pause_number AND r.decision = o.event_type
             AND resumer.may_end(o.match, o.entities, r.payload)) = 0
    ORDER BY o.execution_id, o.id) AS f
  LEFT JOIN LATERAL (
    SELECT o.reason, o.resumed_at FROM resumer.pauses o
    WHERE o.execution_id = f.execution_id AND o.number = f.pause_number
    LIMIT 1) AS p ON true
  -- a branch that waits beside effects under way has no pause yet
  WHERE p.reason IS NULL OR (p.resumed_at IS NULL AND p.reason NOT IN ('manual', 'incident'))
  ORDER BY NOT f.missed, f.captured
  RETURNING 1
), routed AS (
  SELECT h.id, h.event_type, h.payload, w.id AS workflow, w.workflow_id,
    NULL::uuid AS organization --? no_organization
    w.organization_id AS organization --? organization
  FROM happened h
  CROSS JOIN LATERAL (
    SELECT DISTINCT ON (o.workflow_id) o.* FROM workflows o
    WHERE o.enabled
      AND o.organization_id = h.organization_id --? organization
    ORDER BY o.workflow_id, o.created_at DESC NULLS LAST) AS w
  CROSS JOIN LATERAL (SELECT coalesce(w.definition #> '{definition,trigger}', w.definition -> 'trigger') AS trigger) AS t
  WHERE %(route)s AND NOT h.missed AND h.beyond >= 4294967296 AND coalesce(t.trigger ->> 'type', 'event') = 'event'
    AND (t.trigger ->> 'event' = h.event_type
      OR (t.trigger ->> 'event' LIKE '%%*' AND starts_with(h.event_type, left(t.trigger ->> 'event', -1))))
), started AS (
  SELECT r.id, array_agg(r.workflow_id::text) AS workflows,
    array_agg(resumer.queue(r.workflow, r.organization, r.event_type, r.payload)) AS executions
  FROM routed r GROUP BY r.id
), processed AS (
  UPDATE events v
  SET processed_at = statement_timestamp() AT TIME ZONE %(timezone)s, triggered_workflows = s.workflows
  FROM happened h LEFT JOIN started s ON s.id = h.id,
    -- the service's triggers need the path of role and database; nothing of ours is looked up after that
    (SELECT set_config('search_path', %(search_path)s, true)) AS p
  WHERE %(route)s AND NOT h.missed AND h.beyond >= 4294967296 AND v.id = ANY (ARRAY(SELECT o.id FROM happened o)) AND v.id = h.id
), handled AS MATERIALIZED (
  SELECT d.id, h.beyond,
    CASE WHEN h.beyond < 4294967296 THEN NULL WHEN h.id IS NULL THEN 'orphan' ELSE 'applied' END AS outcome
  FROM due d LEFT JOIN happened h ON h.captured = d.id
), ended AS (
  DELETE FROM resumer.event_queue q
  WHERE q.id = ANY (ARRAY(SELECT d.id FROM handled d WHERE d.outcome IS NOT NULL))
), went_on AS (
  UPDATE resumer.event_queue q SET place = d.beyond
  FROM handled d
  WHERE q.id = ANY (ARRAY(SELECT o.id FROM handled o WHERE o.outcome IS NULL)) AND q.id = d.id
)
SELECT d.outcome FROM handled d
