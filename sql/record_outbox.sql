-- Put messages into the outbox, in the transaction that records their step; a key is there once.
INSERT INTO resumer.outbox (key, execution_id, kind, body)
SELECT v.key, v.execution_id, v.kind, v.body
FROM unnest(%(keys)s::text[], %(execution_ids)s::uuid[], %(kinds)s::text[], %(bodies)s::jsonb[])
  AS v (key, execution_id, kind, body)
ON CONFLICT (key) DO NOTHING
