-- One round of writes of a service and its approval page. Of the daemon they know only `resumer.start`.

-- Orders arrive. The large ones need an approval.
SELECT resumer.start(
  'high_value_order_approval',
  jsonb_build_object(
    'order', jsonb_build_object('id', gen_random_uuid(), 'total', 8000 + (random() * 8000)::int),
    'customer', jsonb_build_object('tier', 'silver')),
  '1.0.0')
FROM generate_series(1, 1 + (random() * 4)::int);

-- The service runs one itself, ends it as blocked, and asks for an approval in another transaction.
INSERT INTO workflow_executions (execution_id, workflow_id, status, context, trigger_payload, started_at)
SELECT 'exec_' || left(md5(random()::text), 16), w.id, 'running', payload, payload, localtimestamp
FROM workflows w, (SELECT '{"order": {"total": 20000}, "customer": {"tier": "silver"}}'::jsonb AS payload) AS given
WHERE w.workflow_id = 'high_value_order_approval'
RETURNING id AS begun \gset

UPDATE workflow_executions SET status = 'completed', result = 'blocked', completed_at = localtimestamp WHERE id = :'begun';

INSERT INTO approval_requests (request_id, execution_id, entity_type, status, approver_role, requested_at)
VALUES ('appr_' || left(md5(random()::text), 16), :'begun', 'order', 'pending', 'sales_manager', localtimestamp);

-- A person decides most of the requests that have waited for a while.
UPDATE approval_requests SET
  status = CASE WHEN random() < 0.9 THEN 'approved' ELSE 'rejected' END,
  approver_id = gen_random_uuid(),
  decided_at = localtimestamp
WHERE status = 'pending' AND requested_at < localtimestamp - interval '3 seconds' AND random() < 0.5;
