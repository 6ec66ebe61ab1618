-- A slice of the events of the last day, from where the one before ended: of those that no trigger saw, and of types that
-- somebody waits for, enter each with the time it came, and have it fanned out. An execution that began later is not
-- meant: that is why the time says so. Returns how many, and where the slice ended: nowhere where it was the last one. The
-- moment is a text, for it may be infinite.
WITH slice AS MATERIALIZED (
  SELECT v.id, v.event_type, v.received_at
  FROM events v
  WHERE v.received_at >= coalesce(%(moment)s::timestamp,
      (statement_timestamp() AT TIME ZONE %(timezone)s) - interval '1 day')
    AND (%(moment)s::timestamp IS NULL OR v.received_at > %(moment)s::timestamp OR v.id > %(after)s::uuid)
  ORDER BY v.received_at, v.id
  LIMIT %(limit)s
), missed AS MATERIALIZED (
  SELECT s.id, s.event_type, s.received_at
  FROM slice s
  WHERE (SELECT w.event_type FROM resumer.event_waits w WHERE w.event_type = s.event_type LIMIT 1) IS NOT NULL
    AND (SELECT count(*) FROM resumer.event_queue q WHERE q.event_id = s.id) = 0
    AND (SELECT count(*) FROM resumer.captured_events c WHERE c.event_id = s.id) = 0
), asked AS (
  INSERT INTO resumer.event_queue (event_id, event_type, captured_at, missed)
  SELECT m.id, m.event_type, least(m.received_at AT TIME ZONE %(timezone)s, statement_timestamp()), true
  FROM missed m
  ORDER BY m.received_at
  RETURNING 1
), last AS (
  SELECT s.id, s.received_at FROM slice s ORDER BY s.received_at DESC, s.id DESC LIMIT 1
)
SELECT (SELECT count(*) FROM asked) AS found,
  CASE WHEN (SELECT count(*) FROM slice) = %(limit)s THEN l.received_at::text END AS moment, l.id AS after
FROM last l
