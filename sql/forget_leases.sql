-- A slice of the leases: delete those of executions that are gone, and the events that branches of them waited for, because
-- nobody will ever come back for them.
WITH slice AS MATERIALIZED (
  SELECT l.execution_id, l.lease_until FROM resumer.leases l
  WHERE l.execution_id > %(after)s
  ORDER BY l.execution_id
  LIMIT %(limit)s
), gone AS (
  DELETE FROM resumer.leases l
  WHERE l.execution_id = ANY (ARRAY(
    SELECT s.execution_id FROM slice s
    WHERE coalesce(s.lease_until < statement_timestamp(), true)
      AND (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL))
  RETURNING l.execution_id
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
)
SELECT (SELECT count(*) FROM gone) AS lease,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after
