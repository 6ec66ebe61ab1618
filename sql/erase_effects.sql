-- A slice of the journal by key: delete what came of an execution that ended longer ago than it is kept; empty what belongs to
-- an execution that was deleted.
WITH slice AS MATERIALIZED (
  SELECT f.key, coalesce(f.finished_at, f.intended_at) AS finished_at, e.status, e.completed_at
  FROM (SELECT * FROM resumer.effects o WHERE o.key > %(after)s ORDER BY o.key LIMIT %(limit)s) AS f
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = f.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.key FROM slice s
  WHERE coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.effects f WHERE f.key = ANY (ARRAY(SELECT o.key FROM old o)) RETURNING 1
), emptied AS (
  UPDATE resumer.effects f SET request = '{}', response = NULL, error = NULL
  WHERE f.key = ANY (ARRAY(SELECT s.key FROM slice s WHERE s.status IS NULL EXCEPT SELECT o.key FROM old o))
    AND (f.request <> '{}' OR f.response IS NOT NULL OR f.error IS NOT NULL)
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS effects,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.key FROM slice s ORDER BY s.key DESC LIMIT 1) AS after
