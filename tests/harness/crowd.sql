-- Paused and finished executions of the newest vintage with all that belongs to them, as service and daemon would have left
-- them, written past triggers and foreign keys: those with the numbers {first} to {last} of each, but paused ones up to
-- {paused}, and events up to {events}. Ids follow from the key of an execution, such as 'paused 000001': its own is the md5 of
-- it, its approval's is a1 (or a2 of a finished one) and the number. Open decisions have ids from 900000001 on, events from 800000001.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO workflow_executions (id, execution_id, status, result, context, started_at, completed_at, paused_at,
  paused_reason, resume_count, organization_id)
SELECT md5(key)::uuid, key, kind, CASE kind WHEN 'completed' THEN 'allowed' END, '{"order": {"total": 12000}}',
  now() - interval '1 day', CASE kind WHEN 'completed' THEN now() END, CASE kind WHEN 'paused' THEN now() END,
  CASE kind WHEN 'paused' THEN 'approval_required' END, 0, (SELECT id FROM organizations)
FROM (VALUES ('paused', {paused}), ('completed', {last})) AS k (kind, last), generate_series({first}, k.last) AS n,
  concat(kind, to_char(n, ' FM000000')) AS key;

CREATE TEMPORARY TABLE crowd AS
SELECT e.id, e.execution_id AS key, e.status, right(e.execution_id, 6)::integer AS n, e.organization_id,
  concat(CASE e.status WHEN 'paused' THEN 'a1' ELSE 'a2' END, lpad(right(e.execution_id, 6), 30, '0'))::uuid AS approval
FROM workflow_executions e WHERE right(e.execution_id, 6)::integer BETWEEN {first} AND {paused};
ANALYZE crowd;

INSERT INTO approval_requests (id, request_id, execution_id, status, expires_at, organization_id)
SELECT c.approval, c.key, c.id, CASE c.status WHEN 'paused' THEN 'pending' ELSE 'approved' END, now() + interval '2 days',
  c.organization_id
FROM crowd c;

INSERT INTO step_executions (id, execution_id, step_id, status, organization_id)
SELECT c.approval, c.id, 'ask', 'completed', c.organization_id FROM crowd c;

INSERT INTO resumer.pauses (execution_id, number, reason, approval_ids, waiting, paused_at, resumed_at, resumed_by)
SELECT c.id, 1, CASE WHEN c.n % 1000 = 0 THEN 'waiting_for_event' ELSE 'approval_required' END,
  ARRAY[c.approval], '{"event": "paid"}', now() - c.n * interval '1 second',
  CASE c.status WHEN 'completed' THEN now() END, CASE c.status WHEN 'completed' THEN 'approval' END
FROM crowd c;

INSERT INTO resumer.event_waits (execution_id, pause_number, event_type, organization_id, entities, anchor, value)
SELECT p.execution_id, p.number, 'paid', (SELECT id FROM organizations), jsonb_build_object('order', p.execution_id), '~order',
  p.execution_id::text
FROM resumer.pauses p WHERE p.reason = 'waiting_for_event' AND p.resumed_at IS NULL
ON CONFLICT DO NOTHING;

-- a timer for each pause, and the start of each; of most a look; where it is finished a timer that is void, and a decision
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
SELECT c.id, 'timeout', c.approval, now() + interval '2 days' FROM crowd c WHERE c.status = 'paused';
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, due_at, requested_at, outcome)
SELECT nextval('resumer.resume_requests_id_seq'), c.id, s.kind, c.approval, s.decision, now() + s.due, now(), s.outcome
FROM crowd c
CROSS JOIN (VALUES ('start', NULL, interval '0', 'applied'), ('adopt', NULL, interval '0', 'superseded'),
    ('timeout', NULL, interval '2 days', 'superseded'), ('approval', 'approved', interval '0', 'applied'))
  AS s (kind, decision, due, outcome)
WHERE s.kind = 'start' OR (s.kind = 'adopt') = (c.status = 'paused' AND c.n % 4 > 0) AND (c.status = 'completed' OR s.kind = 'adopt');

-- decisions of paused ones that wait to be claimed, and some that are held
INSERT INTO resumer.resume_requests (id, execution_id, kind, source_id, decision, outcome) OVERRIDING SYSTEM VALUE
SELECT 900000000 + c.n, c.id, 'approval', c.approval, 'approved', CASE WHEN c.n > 300 THEN 'held' END
FROM crowd c WHERE c.status = 'paused' AND c.n <= 400;

-- events that happened, of orders that nobody waits for; of the first hundred nobody has looked at some
INSERT INTO events (event_id, event_type, payload, organization_id, received_at)
SELECT to_char(n, 'FM0000000'), 'paid', jsonb_build_object('order', jsonb_build_object('id', n)), (SELECT id FROM organizations),
  (now() AT TIME ZONE 'UTC') - ({events} - n) * interval '50 milliseconds'
FROM generate_series({first}, {events}) AS n;
INSERT INTO resumer.captured_events (id, event_id, captured_at, missed)
SELECT 800000000 + v.event_id::integer, v.id, now() - interval '1 day', false FROM events v
WHERE v.event_id > '0000010' AND v.event_id::integer >= {first};
INSERT INTO resumer.event_queue (id, event_id, event_type)
SELECT 800000000 + v.event_id::integer, v.id, v.event_type FROM events v
WHERE v.event_id <= '0000010' AND v.event_id::integer >= {first};
INSERT INTO resumer.event_types (event_type, since) VALUES ('paid', now() - interval '1 day') ON CONFLICT DO NOTHING;
INSERT INTO resumer.event_names (event_type, organization_id, names)
SELECT 'paid', id, '{order}' FROM organizations ON CONFLICT DO NOTHING;
INSERT INTO resumer.event_keys (key, captured_id)
SELECT resumer.event_key('paid', v.organization_id, t.term), 800000000 + v.event_id::integer
FROM events v CROSS JOIN LATERAL unnest(ARRAY['', '~order', '=order.id=' || v.event_id::integer]) AS t (term)
WHERE v.event_id > '0000010' AND v.event_id::integer >= {first};

-- leases: of the first ones of daemons that live, all others stand in line; what they sent; and messages, the first of them not
-- delivered
INSERT INTO resumer.leases (execution_id, instance, lease_until, state, definition)
SELECT c.id, CASE WHEN c.n <= 100 THEN md5('daemon')::uuid END,
  now() + CASE WHEN c.n <= 100 THEN interval '1 day' ELSE c.n * interval '-1 millisecond' END, '{}', 'd'
FROM crowd c WHERE c.status = 'completed';
INSERT INTO resumer.effects (key, execution_id, path, kind, request, delivery, status, attempts, epoch)
SELECT c.key, c.id, 'send', 'webhook', '{}', 'at_most_once', 'done', 1, 1 FROM crowd c WHERE c.status = 'completed';
INSERT INTO resumer.outbox (key, execution_id, kind, body, state)
SELECT c.key, c.id, CASE WHEN c.n % 10 = 1 THEN 'create_record' ELSE 'notify' END, '{}',
  CASE WHEN c.n % 10 = 1 OR c.n <= 400 THEN 'pending' ELSE 'delivered' END
FROM crowd c WHERE c.status = 'completed';
DROP TABLE crowd;
RESET session_replication_role;
RESET synchronous_commit;
