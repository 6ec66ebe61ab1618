-- A slice of the outbox by key: delete messages of an execution that ended longer ago than they are kept; empty those of an
-- execution that was deleted. What is still pending stays: somebody delivers it, or gives it up.
WITH slice AS MATERIALIZED (
  SELECT m.key, m.state, coalesce(m.delivered_at, m.created_at) AS finished_at, e.status, e.completed_at
  FROM (SELECT * FROM resumer.outbox o WHERE o.key > %(after)s ORDER BY o.key LIMIT %(limit)s) AS m
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = m.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.key FROM slice s
  WHERE s.state <> 'pending' AND coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.outbox m WHERE m.key = ANY (ARRAY(SELECT o.key FROM old o)) RETURNING 1
), emptied AS (
  UPDATE resumer.outbox m SET body = '{}', error = NULL, reached = '{}'
  WHERE m.key = ANY (ARRAY(
      SELECT s.key FROM slice s WHERE s.status IS NULL AND s.state <> 'pending' EXCEPT SELECT o.key FROM old o))
    AND m.state <> 'pending' AND (m.body <> '{}' OR m.error IS NOT NULL OR m.reached <> '{}')
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS outbox,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.key FROM slice s ORDER BY s.key DESC LIMIT 1) AS after
