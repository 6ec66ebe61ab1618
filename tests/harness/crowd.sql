-- 100,000 paused and 100,000 finished executions of the newest vintage with all that belongs to them, as service and
-- daemon would have left them, written past triggers and foreign keys. Ids follow from the key of an execution, such
-- as 'paused 000001': its own is the md5 of it, its approval's is a1 (or a2 of a finished one) and the number.
SET session_replication_role = replica;
SET synchronous_commit = off;

INSERT INTO workflow_executions (id, execution_id, status, result, context, started_at, completed_at, paused_at,
  paused_reason, resume_count, organization_id)
SELECT md5(key)::uuid, key, kind, CASE kind WHEN 'completed' THEN 'allowed' END, '{"order": {"total": 12000}}',
  now() - interval '1 day', CASE kind WHEN 'completed' THEN now() END, CASE kind WHEN 'paused' THEN now() END,
  CASE kind WHEN 'paused' THEN 'approval_required' END, 0, (SELECT id FROM organizations)
FROM unnest(ARRAY['paused', 'completed']) AS kind, generate_series(1, 100000) AS n,
  concat(kind, to_char(n, ' FM000000')) AS key;

INSERT INTO approval_requests (id, request_id, execution_id, status, expires_at, organization_id)
SELECT concat(CASE e.status WHEN 'paused' THEN 'a1' ELSE 'a2' END, lpad(right(e.execution_id, 6), 30, '0'))::uuid,
  e.execution_id, e.id, CASE e.status WHEN 'paused' THEN 'pending' ELSE 'approved' END, now() + interval '2 days',
  e.organization_id
FROM workflow_executions e;

INSERT INTO step_executions (id, execution_id, step_id, status, organization_id)
SELECT a.id, a.execution_id, 'ask', 'completed', a.organization_id FROM approval_requests a;

INSERT INTO resumer.pauses (execution_id, number, reason, asked, waiting, resumed_at, resumed_by)
SELECT a.execution_id, 1, CASE WHEN a.request_id LIKE '%000' THEN 'waiting_for_event' ELSE 'approval_required' END,
  ARRAY[a.id], '{"event": "paid"}', CASE a.status WHEN 'approved' THEN now() END,
  CASE a.status WHEN 'approved' THEN 'approval' END
FROM approval_requests a;

INSERT INTO resumer.event_waits (execution_id, pause_number, event_type, organization_id, entities, anchor, value)
SELECT p.execution_id, p.number, 'paid', (SELECT id FROM organizations), jsonb_build_object('order', p.execution_id), '~order',
  p.execution_id::text
FROM resumer.pauses p WHERE p.reason = 'waiting_for_event' AND p.resumed_at IS NULL;

-- a timer for each pause; where it is finished a timer that is void, and a decision
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, due_at)
SELECT p.execution_id, 'timeout', p.asked[1], now() + interval '2 days' FROM resumer.pauses p WHERE p.resumed_at IS NULL;
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, due_at, requested_at, outcome)
SELECT nextval('resumer.resume_requests_id_seq'), p.execution_id, s.kind, p.asked[1], s.decision, now() + s.due, now(), s.outcome
FROM resumer.pauses p
CROSS JOIN (VALUES ('timeout', NULL, interval '2 days', 'superseded'), ('approval', 'approved', interval '0', 'applied'))
  AS s (kind, decision, due, outcome)
WHERE p.resumed_at IS NOT NULL;

-- decisions of paused ones that wait to be claimed, and some that are held
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, outcome)
SELECT a.execution_id, 'approval', a.id, 'approved', CASE WHEN n > 300 THEN 'held' END
FROM generate_series(1, 400) AS n
JOIN approval_requests a ON a.request_id = to_char(n, '"paused "FM000000');

-- events that happened, of orders that nobody waits for, the last few of them not yet looked at
INSERT INTO events (event_id, event_type, payload, organization_id, received_at)
SELECT to_char(n, 'FM000000'), 'paid', jsonb_build_object('order', jsonb_build_object('id', n)), (SELECT id FROM organizations),
  (now() AT TIME ZONE 'UTC') - (100000 - n) * interval '500 milliseconds'
FROM generate_series(1, 100000) AS n;
INSERT INTO resumer.captured_events (id, event_id, captured_at, missed)
SELECT 1000000 + v.event_id::integer, v.id, now() - interval '1 day', false FROM events v WHERE v.event_id <= '099990';
INSERT INTO resumer.event_queue (id, event_id, event_type)
SELECT 1000000 + v.event_id::integer, v.id, v.event_type FROM events v WHERE v.event_id > '099990';
INSERT INTO resumer.event_types (event_type, since) VALUES ('paid', now() - interval '1 day');
INSERT INTO resumer.event_names (event_type, organization_id, names) SELECT 'paid', id, '{order}' FROM organizations;
INSERT INTO resumer.event_keys (key, captured_id)
SELECT resumer.event_key('paid', v.organization_id, t.term), 1000000 + v.event_id::integer
FROM events v CROSS JOIN LATERAL unnest(ARRAY['', '~order', '=order.id=' || v.event_id::integer]) AS t (term)
WHERE v.event_id <= '099990';

-- leases of all that ever sent something, a few of them held; what it sent; and messages, the last of them not delivered
INSERT INTO resumer.leases (execution_id, instance, epoch, lease_until, state, definition)
SELECT e.id, gen_random_uuid(), 1, CASE WHEN e.execution_id <= 'completed 000400' THEN now() END, '{}', 'd'
FROM workflow_executions e WHERE e.status = 'completed';
INSERT INTO resumer.effects (key, execution_id, path, kind, request, delivery, status, attempts, epoch)
SELECT e.execution_id, e.id, 'send', 'webhook', '{}', 'at_most_once', 'done', 1, 1
FROM workflow_executions e WHERE e.status = 'completed';
INSERT INTO resumer.outbox (key, execution_id, kind, body, state)
SELECT e.execution_id, e.id, CASE WHEN e.execution_id LIKE '%1' THEN 'create_record' ELSE 'notify' END, '{}',
  CASE WHEN e.execution_id LIKE '%1' OR e.execution_id <= 'completed 000400' THEN 'pending' ELSE 'delivered' END
FROM workflow_executions e WHERE e.status = 'completed';
