-- A slice of the ledger by key: delete what was settled, and whose execution has ended, longer ago than it is kept; empty what
-- belongs to an execution that was deleted. The start or the cancel of an execution that never paused stays as long as the
-- execution, without its payload: by it the guard knows an end of ours (resumer.is_ours).
WITH slice AS MATERIALIZED (
  SELECT r.id, r.execution_id, r.kind::text AS kind, r.outcome::text AS outcome, r.finished_at, r.payload IS NOT NULL AS full,
    e.status, e.completed_at
  FROM (SELECT * FROM resumer.settled_requests o WHERE o.id > %(after)s ORDER BY o.id LIMIT %(limit)s) AS r
  LEFT JOIN LATERAL (
    SELECT x.status::text AS status, x.completed_at FROM workflow_executions x WHERE x.id = r.execution_id LIMIT 1) AS e ON true
), old AS MATERIALIZED (
  SELECT s.id, s.status IS NOT NULL AND s.kind IN ('start', 'cancel') AND s.outcome = 'applied'
    AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = s.execution_id) IS NULL AS proves
  FROM slice s
  WHERE coalesce(s.status, 'gone') IN ('completed', 'failed', 'cancelled', 'gone')
    AND greatest(s.finished_at, s.completed_at AT TIME ZONE %(timezone)s)
      < statement_timestamp() - make_interval(secs => %(seconds)s)
), deleted AS (
  DELETE FROM resumer.settled_requests r WHERE r.id = ANY (ARRAY(SELECT o.id FROM old o WHERE NOT o.proves)) RETURNING 1
), emptied AS (
  UPDATE resumer.settled_requests r SET payload = NULL
  WHERE r.id = ANY (ARRAY(
    SELECT s.id FROM slice s LEFT JOIN old o ON o.id = s.id
    WHERE s.full AND (o.proves OR (s.status IS NULL AND o.id IS NULL))))
  RETURNING 1
)
SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM emptied) AS requests,
  (SELECT count(*) FROM slice) = %(limit)s AS more, (SELECT max(s.id) FROM slice s) AS after
