-- Say what will be sent, before it is: the rendered request and its key are the same in every attempt.
INSERT INTO resumer.effects AS f (key, execution_id, path, kind, request, delivery, status, attempts, epoch)
SELECT v.key, v.execution_id, v.path, v.kind, v.request, v.delivery, 'intent', v.attempt, l.epoch
FROM unnest(
    %(keys)s::text[], %(execution_ids)s::uuid[], %(paths)s::text[], %(kinds)s::text[], %(requests)s::jsonb[],
    %(deliveries)s::text[], %(attempts)s::integer[]
  ) AS v (key, execution_id, path, kind, request, delivery, attempt)
JOIN resumer.leases l ON l.execution_id = v.execution_id
ON CONFLICT (key) DO UPDATE SET status = 'intent', attempts = EXCLUDED.attempts, epoch = EXCLUDED.epoch
WHERE f.attempts < EXCLUDED.attempts
