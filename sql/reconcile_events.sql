-- A slice of the events by the time they came, from a moment on or from a day ago: of those that no trigger saw, and of
-- types that somebody waits for, enter each with the time it came, and have it fanned out. An execution that began later is
-- not meant: that is why the time says so. A slice is full with all events of its last moment, and the next one begins after
-- that; with 10,000 events that are entered it begins anew. At the end of the lap the next begins a minute ago, for who has
-- written an event may not have committed yet. The moment is a text, for it may be infinite.
WITH slice AS MATERIALIZED (
  SELECT v.id, v.event_type, v.received_at, v.ctid AS place
  FROM events v
  WHERE v.received_at > coalesce(%(moment)s::timestamp, (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day')
  ORDER BY v.received_at
  FETCH FIRST %(limit)s ROWS WITH TIES
), missed AS MATERIALIZED (
  SELECT s.id, s.event_type, s.received_at, s.place
  FROM slice s
  WHERE (SELECT w.event_type FROM resumer.event_waits w WHERE w.event_type = s.event_type LIMIT 1) IS NOT NULL
    AND (SELECT c.event_capture FROM resumer.control c) <> 'off'
    AND (SELECT count(*) FROM resumer.event_queue q WHERE q.event_id = s.id) = 0
    AND (SELECT count(*) FROM resumer.captured_events c WHERE c.event_id = s.id) = 0
  LIMIT 10000
), asked AS (
  INSERT INTO resumer.event_queue (event_id, event_type, captured_at, missed)
  SELECT m.id, m.event_type, least(m.received_at AT TIME ZONE %(timezone)s, statement_timestamp()), true
  FROM missed m
  ORDER BY m.received_at, m.place
  ON CONFLICT DO NOTHING
  RETURNING 1
), ended AS (
  SELECT (SELECT count(*) FROM missed) = 10000 AS again, (SELECT count(*) FROM slice) >= %(limit)s AS more,
    (SELECT s.received_at FROM slice s ORDER BY s.received_at DESC LIMIT 1) AS moment
)
SELECT (SELECT count(*) FROM asked) AS event, e.again OR e.more AS more,
  CASE WHEN e.again THEN %(moment)s::text WHEN e.more THEN e.moment::text
    ELSE least(e.moment, (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 minute')::text END AS moment
FROM ended e
