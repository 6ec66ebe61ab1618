-- Write a row for each attempt of each step. When it began is told as an age: the database owns the clock, and rows of
-- one transaction keep the order of their steps.
INSERT INTO step_executions (
  organization_id, --? organization
  execution_id, step_id, step_type, status, output, error_message, started_at, completed_at, duration_ms
)
SELECT
  v.organization_id, --? organization
  v.execution_id, left(v.step_id, 255), left(v.step_type, 50), v.status, v.output, v.error_message,
  t.now_there - make_interval(secs => v.age), t.now_there - make_interval(secs => v.age - v.seconds),
  (v.seconds * 1000)::integer
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(step_ids)s::text[], %(types)s::text[], %(statuses)s::text[],
    %(outputs)s::jsonb[], %(errors)s::text[], %(ages)s::float8[], %(seconds)s::float8[]
  ) AS v (execution_id, organization_id, step_id, step_type, status, output, error_message, age, seconds),
  (SELECT clock_timestamp() AT TIME ZONE %(timezone)s AS now_there) AS t
