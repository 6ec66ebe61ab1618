-- Decisions that had no request when the requests were read: one that was committed since then is there now. Where none is,
-- its trigger was off, and a row is written here: applied where the decision counted, superseded where another overtook it
-- and no row tells of it.
-- Grouped, and not looked up for each decision: the requests of an execution have no index by their approval.
WITH seen AS MATERIALIZED (
  SELECT u.execution_id, u.source_id, u.decision, max(u.actor) AS actor, max(u.outcome) AS outcome,
    max(u.request) AS request, max(u.unsettled) AS unsettled
  FROM (
    SELECT v.execution_id, v.source_id, v.decision, v.actor, v.outcome, NULL::bigint AS request, NULL::bigint AS unsettled
    FROM unnest(
        %(execution_ids)s::uuid[], %(sources)s::uuid[], %(decisions)s::text[], %(actors)s::text[], %(outcomes)s::text[]
      ) AS v (execution_id, source_id, decision, actor, outcome)
    UNION ALL
    SELECT r.execution_id, r.source_id, r.decision, NULL, NULL, r.id, CASE WHEN r.outcome IS NULL THEN r.id END
    FROM resumer.requests r
    WHERE r.execution_id = ANY (%(execution_ids)s::uuid[]) AND r.kind = 'approval'
  ) AS u
  GROUP BY u.execution_id, u.source_id, u.decision
  HAVING max(u.outcome) IS NOT NULL
), came AS (
  DELETE FROM resumer.resume_requests r
  WHERE r.id = ANY (ARRAY(SELECT s.unsettled FROM seen s WHERE s.outcome = 'applied' AND s.unsettled IS NOT NULL))
  RETURNING *
), settled AS (
  SELECT c.id, c.execution_id, c.kind, c.source_id, c.decision, c.pause_number, c.payload, c.actor, c.reason, c.due_at,
    c.requested_at, 'applied' AS outcome
  FROM came c
  UNION ALL
  SELECT nextval('resumer.resume_requests_id_seq'), s.execution_id, 'approval', s.source_id, s.decision, NULL, NULL, s.actor,
    NULL, statement_timestamp(), statement_timestamp(), s.outcome
  FROM seen s WHERE CASE s.outcome WHEN 'applied' THEN s.unsettled ELSE s.request END IS NULL
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT s.*,
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = s.execution_id) --? organization
  NULL --? no_organization
FROM settled s
