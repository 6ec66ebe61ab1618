-- Lock one execution, unless another holds it: a batch that failed is repeated row by row.
SELECT e.id FROM workflow_executions e WHERE e.id = %(id)s FOR NO KEY UPDATE SKIP LOCKED
