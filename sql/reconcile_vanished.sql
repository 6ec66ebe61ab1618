-- A slice of the open pauses: end those whose execution is gone. Its journal stays, its requests become `vanished`.
WITH slice AS MATERIALIZED (
  SELECT p.execution_id
  FROM resumer.pauses p
  WHERE p.resumed_at IS NULL AND p.execution_id > %(after)s
  ORDER BY p.execution_id
  LIMIT %(limit)s
), gone AS MATERIALIZED (
  SELECT s.execution_id FROM slice s
  WHERE (SELECT e.id FROM workflow_executions e WHERE e.id = s.execution_id) IS NULL
), waited AS (
  DELETE FROM resumer.event_waits w WHERE w.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
), void AS (
  DELETE FROM resumer.resume_requests r WHERE r.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g))
  RETURNING *
), settled AS (
  INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
    requested_at, outcome)
  SELECT v.id, v.execution_id, v.kind, v.source_id, v.decision, v.pause_number, v.payload, v.actor, v.reason, v.due_at,
    v.requested_at, 'vanished'
  FROM void v
), ended AS (
  UPDATE resumer.pauses p SET resumed_at = clock_timestamp(), resumed_by = 'vanished'
  WHERE p.execution_id = ANY (ARRAY(SELECT g.execution_id FROM gone g)) AND p.resumed_by IS NULL
  RETURNING 1
)
SELECT (SELECT count(*) FROM ended) AS vanished,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.execution_id FROM slice s ORDER BY s.execution_id DESC LIMIT 1) AS after
