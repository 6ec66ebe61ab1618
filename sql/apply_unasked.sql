-- Decisions that counted and had no request when the requests were read: one that was committed since then is there now.
-- Where none is, its trigger was off, and an applied row is written here. coalesce: else all that is open would be read.
-- Grouped, and not looked up for each decision: the requests of an execution have no index by their approval.
WITH counted AS MATERIALIZED (
  SELECT u.execution_id, u.source_id, u.decision, max(u.request) AS request
  FROM (
    SELECT v.execution_id, v.source_id, v.decision, NULL::bigint AS request
    FROM unnest(%(execution_ids)s::uuid[], %(sources)s::uuid[], %(decisions)s::text[]) AS v (execution_id, source_id, decision)
    UNION ALL
    SELECT r.execution_id, r.source_id, r.decision, r.id
    FROM resumer.resume_requests r
    WHERE r.execution_id = ANY (%(execution_ids)s::uuid[]) AND r.kind = 'approval'
      AND coalesce(r.outcome::text, 'open') = 'open'
  ) AS u
  GROUP BY u.execution_id, u.source_id, u.decision
  HAVING bool_or(u.request IS NULL)
), came AS (
  UPDATE resumer.resume_requests r SET outcome = 'applied', finished_at = clock_timestamp()
    , organization_id = (SELECT e.organization_id FROM workflow_executions e WHERE e.id = r.execution_id) --? organization
  FROM counted c WHERE r.id = c.request
)
INSERT INTO resumer.resume_requests (execution_id, kind, source_id, decision, outcome, finished_at, organization_id)
SELECT c.execution_id, 'approval', c.source_id, c.decision, 'applied', clock_timestamp(),
  (SELECT e.organization_id FROM workflow_executions e WHERE e.id = c.execution_id) --? organization
  NULL --? no_organization
FROM counted c WHERE c.request IS NULL
