-- A slice of the definitions by key: delete those that no open pause and no lease has, and that were used longer ago than they
-- are kept. At least two days: a transaction that is about to use one has written that, or found it written within a day.
WITH slice AS MATERIALIZED (
  SELECT d.sha256, d.used_at FROM resumer.definitions d WHERE d.sha256 > %(after)s ORDER BY d.sha256 LIMIT %(limit)s
), unused AS MATERIALIZED (
  SELECT s.sha256 FROM slice s
  WHERE s.used_at < statement_timestamp() - greatest(make_interval(secs => %(seconds)s), interval '2 days')
    AND %(seconds)s::float8 IS NOT NULL
    AND (SELECT l.execution_id FROM resumer.leases l WHERE l.definition = s.sha256 LIMIT 1) IS NULL
    AND (SELECT p.number FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.definition = s.sha256 LIMIT 1) IS NULL
), deleted AS (
  DELETE FROM resumer.definitions d
  USING slice s
  WHERE d.sha256 = s.sha256 AND d.used_at = s.used_at AND s.sha256 = ANY (ARRAY(SELECT u.sha256 FROM unused u))
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) AS definitions,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT s.sha256 FROM slice s ORDER BY s.sha256 DESC LIMIT 1) AS after
