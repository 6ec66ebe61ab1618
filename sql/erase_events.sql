-- A slice of the captured events by key: delete those that were captured longer ago than they are kept, with the keys by which
-- a look back finds them. At least two days: one that is not there would count as missed, for sql/reconcile_events.sql looks a
-- day back, in whatever zone.
WITH slice AS MATERIALIZED (
  SELECT c.id, c.captured_at
  FROM resumer.captured_events c
  WHERE c.id > %(after)s
  ORDER BY c.id
  LIMIT %(limit)s
), old AS MATERIALIZED (
  SELECT s.id FROM slice s
  WHERE s.captured_at < clock_timestamp() - greatest(make_interval(secs => %(seconds)s), interval '2 days')
    AND (SELECT q.id FROM resumer.event_queue q WHERE q.id = s.id) IS NULL
), keys AS (
  DELETE FROM resumer.event_keys k WHERE k.captured_id = ANY (ARRAY(SELECT o.id FROM old o))
), trimmed AS (
  DELETE FROM resumer.captured_events c WHERE c.id = ANY (ARRAY(SELECT o.id FROM old o)) RETURNING 1
)
SELECT (SELECT count(*) FROM trimmed) AS events,
  -- they are in the order in which they came: the rest is kept
  (SELECT count(*) FROM slice) = %(limit)s AND (SELECT count(*) FROM old) > 0 AS more, (SELECT max(s.id) FROM slice s) AS after
