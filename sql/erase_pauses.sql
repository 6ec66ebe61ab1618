-- A slice of the pauses by key: empty those of an execution that ended longer ago than they are kept, or that was deleted;
-- delete those of one that was deleted longer ago. A row stays as long as its execution: by it the guard knows an end of ours
-- (resumer.is_ours), and nobody adopts the execution again.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id, p.number, p.resumed_at, e.status, e.completed_at
  FROM (
    SELECT * FROM resumer.pauses o WHERE (o.execution_id, o.number) > (%(after)s::uuid, %(number)s::integer)
    ORDER BY o.execution_id, o.number LIMIT %(limit)s) AS p
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = p.execution_id LIMIT 1) AS e ON true
), over AS MATERIALIZED (
  SELECT s.execution_id, s.number, s.status,
    coalesce(greatest(s.resumed_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s), false) AS old
  FROM slice s
  WHERE s.resumed_at IS NOT NULL AND coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
), deleted AS (
  DELETE FROM resumer.pauses p
  USING over o WHERE p.execution_id = o.execution_id AND p.number = o.number AND o.status IS NULL AND o.old
  RETURNING 1
), emptied AS (
  UPDATE resumer.pauses p SET state = NULL, ways = '{}', waiting = '{}', incident = NULL, held = NULL, definition = NULL
  FROM over o
  WHERE p.execution_id = o.execution_id AND p.number = o.number AND CASE WHEN o.status IS NULL THEN NOT o.old ELSE o.old END
    AND (p.state IS NOT NULL OR p.definition IS NOT NULL OR p.incident IS NOT NULL OR p.held IS NOT NULL
      OR p.ways <> '{}' OR p.waiting <> '{}')
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS pauses,
  (SELECT count(*) FROM slice) = %(limit)s AS more, l.execution_id AS after, l.number
FROM (SELECT) AS always
LEFT JOIN (SELECT s.execution_id, s.number FROM slice s ORDER BY s.execution_id DESC, s.number DESC LIMIT 1) AS l ON true
