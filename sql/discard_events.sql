-- Take from the queue of events, from its oldest ones, those of types that nobody waits for and that start no workflow: they
-- are marked as processed, as those that start one are, and not kept. Returns how many.
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
