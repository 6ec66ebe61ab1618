-- Delete a slice of the captured events by key, with the keys by which a look back finds them: those that were captured longer
-- ago than they are kept. Returns how many, and where the slice ended; NULL: the lap is done, or it came to what is kept.
WITH slice AS MATERIALIZED (
  SELECT c.id, c.captured_at
  FROM resumer.captured_events c
  WHERE c.id > %(after)s
  ORDER BY c.id
  LIMIT %(limit)s
), old AS MATERIALIZED (
  SELECT s.id FROM slice s
  -- one that is not there would count as missed: sql/reconcile_events.sql looks a day back, in whatever zone
  WHERE s.captured_at < clock_timestamp() - greatest(make_interval(secs => %(seconds)s), interval '2 days')
    AND (SELECT q.id FROM resumer.event_queue q WHERE q.id = s.id) IS NULL
), keys AS (
  DELETE FROM resumer.event_keys k WHERE k.captured_id = ANY (ARRAY(SELECT o.id FROM old o))
), trimmed AS (
  DELETE FROM resumer.captured_events c WHERE c.id = ANY (ARRAY(SELECT o.id FROM old o)) RETURNING 1
)
SELECT (SELECT count(*) FROM trimmed) AS trimmed,
  (SELECT max(s.id) FROM slice s
   HAVING count(*) = %(limit)s AND count(*) = (SELECT count(*) FROM old)) AS last
