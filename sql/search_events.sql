-- Search the service's table for events of a type that was registered, and that no trigger has captured: a slice, from the
-- moment that a wait counts from on, or from where the slice before ended. They are entered with the time they came. The first
-- search finds what was committed before it. The second one begins when every transaction has ended that was open then, for
-- such a transaction may not have seen that the type is registered. Returns a row for each slice.
WITH sought AS MATERIALIZED (
  SELECT t.event_type, t.since, t.searched_to::timestamp AS searched_to, t.mark
  FROM resumer.event_types t
  WHERE NOT t.complete AND coalesce(t.mark, 0) <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  ORDER BY t.event_type
  LIMIT 1
  FOR UPDATE SKIP LOCKED
), slice AS MATERIALIZED (
  SELECT s.event_type AS sought, v.id, v.event_type::text AS event_type, v.received_at, v.place
  FROM sought s
  CROSS JOIN LATERAL (
    SELECT o.id, o.event_type, o.received_at, o.ctid AS place FROM events o
    WHERE o.received_at > coalesce(s.searched_to, s.since AT TIME ZONE %(timezone)s - interval '1 microsecond')
    ORDER BY o.received_at
    FETCH FIRST %(limit)s ROWS WITH TIES) AS v
), entered AS (
  INSERT INTO resumer.event_queue (event_id, event_type, captured_at, missed)
  SELECT s.id, s.event_type, least(s.received_at AT TIME ZONE %(timezone)s, statement_timestamp()), true
  FROM slice s
  WHERE s.event_type = s.sought AND (SELECT c.event_capture FROM resumer.control c) <> 'off'
    AND (SELECT count(*) FROM resumer.event_queue q WHERE q.event_id = s.id) = 0
    AND (SELECT count(*) FROM resumer.captured_events c WHERE c.event_id = s.id) = 0
  ORDER BY s.received_at, s.place
  ON CONFLICT DO NOTHING
), ended AS (
  SELECT count(*) < %(limit)s AS lap, max(s.received_at) AS moment FROM slice s
)
UPDATE resumer.event_types t
SET searched_to = CASE WHEN NOT e.lap THEN e.moment::text END,
  mark = CASE WHEN NOT e.lap OR s.mark IS NOT NULL THEN s.mark ELSE pg_snapshot_xmax(pg_current_snapshot())::text::bigint END,
  complete = e.lap AND s.mark IS NOT NULL
FROM sought s, ended e
WHERE t.event_type = (SELECT o.event_type FROM sought o)
RETURNING t.event_type
