-- Messages of the outbox for people, the oldest first.
SELECT o.key, e.execution_id AS execution, o.kind, o.body::text AS body, o.state, o.attempts, o.next_at, o.error,
  o.reached, o.created_at, o.delivered_at
FROM resumer.outbox o
LEFT JOIN workflow_executions e ON e.id = o.execution_id
WHERE %(state)s::text IS NULL OR o.state = %(state)s
ORDER BY o.created_at
LIMIT %(limit)s
