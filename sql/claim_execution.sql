-- Lock one execution, unless another holds it: a batch that failed is repeated row by row.
WITH free AS MATERIALIZED (
  SELECT e.id FROM workflow_executions e WHERE e.id = %(id)s FOR NO KEY UPDATE SKIP LOCKED
)
SELECT set_config('resumer.claimed', ARRAY(SELECT id FROM free)::text, true)::uuid[] AS ids
