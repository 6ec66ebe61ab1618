-- Write a row for each attempt of each step. The engine counts from the database's time, so that rows of all transactions
-- keep the order in which their steps began.
INSERT INTO step_executions (
  organization_id, --? organization
  execution_id, step_id, step_type, status, output, error_message, started_at, completed_at, duration_ms
)
SELECT
  v.organization_id, --? organization
  v.execution_id, pg_catalog.left(v.step_id, 255), pg_catalog.left(v.step_type, 50), v.status, v.output, v.error_message,
  v.began AT TIME ZONE %(timezone)s,
  greatest(v.began, least(v.began + pg_catalog.make_interval(secs => v.seconds), pg_catalog.clock_timestamp())) AT TIME ZONE %(timezone)s,
  (v.seconds * 1000)::integer
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(step_ids)s::text[], %(types)s::text[], %(statuses)s::text[],
    %(outputs)s::jsonb[], %(errors)s::text[], %(begins)s::timestamptz[], %(seconds)s::float8[]
  ) AS v (execution_id, organization_id, step_id, step_type, status, output, error_message, began, seconds)
