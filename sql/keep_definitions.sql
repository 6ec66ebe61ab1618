-- Keep the definitions that executions paused with; the same text is kept once.
INSERT INTO resumer.definitions (sha256, body)
SELECT v.sha256, v.body FROM unnest(%(hashes)s::text[], %(bodies)s::jsonb[]) AS v (sha256, body)
ON CONFLICT (sha256) DO NOTHING
