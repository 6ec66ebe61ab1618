-- Keep the definitions that executions paused with; the same text is kept once. That it is used is written once a day: what
-- was not used for longer, and is used by nothing, may be deleted (sql/erase_definitions.sql). The events that their steps may
-- come to wait for are captured from now on.
WITH registered AS (
  INSERT INTO resumer.event_types (event_type, since)
  SELECT DISTINCT v.event_type, clock_timestamp() FROM unnest(%(event_types)s::text[]) AS v (event_type)
  WHERE NOT EXISTS (SELECT FROM resumer.event_types t WHERE t.event_type = v.event_type)
  ORDER BY 1
  ON CONFLICT DO NOTHING
)
INSERT INTO resumer.definitions AS d (sha256, body)
SELECT v.sha256, v.body FROM unnest(%(hashes)s::text[], %(bodies)s::jsonb[]) AS v (sha256, body)
ON CONFLICT (sha256) DO UPDATE SET used_at = EXCLUDED.used_at WHERE d.used_at < EXCLUDED.used_at - interval '1 day'
