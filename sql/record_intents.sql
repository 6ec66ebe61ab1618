-- Say what will be sent, before it is, and when: the rendered request and its key are the same in every attempt.
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
