-- A full queue of notifications fails every COMMIT that notifies, and with it decisions: triggers fall silent while
-- there is room, and notify again, as the settings say, once the queue has emptied.
WITH queue AS MATERIALIZED (
  SELECT pg_notification_queue_usage() AS usage
), wanted AS (
  SELECT CASE WHEN q.usage >= %(full)s THEN 'off' WHEN %(spares)s AND q.usage < %(free)s THEN %(notify)s END AS notify
  FROM queue q
), changed AS (
  UPDATE resumer.control c SET notify = w.notify FROM wanted w WHERE c.notify <> w.notify
  RETURNING c.notify
)
SELECT q.usage, (SELECT c.notify FROM changed c) AS became FROM queue q
