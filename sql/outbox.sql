-- Claim, settle, list and retry notifications; write records.
-- Run by store/outbox.py.

-- name: claim_messages
-- Claim due notifications for one attempt each, those that became due `back` seconds ago at most. There is no owner:
-- a message is due again after `seconds`.
UPDATE resumer.outbox o
SET attempts = o.attempts + 1, next_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE o.key = ANY (ARRAY(
  SELECT m.key FROM resumer.outbox m
  WHERE m.state = 'pending' AND m.kind = 'notify' AND m.next_at <= statement_timestamp()
    AND m.next_at >= statement_timestamp() - make_interval(secs => %(back)s)
  ORDER BY m.next_at
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED))
RETURNING o.key, o.execution_id::text AS execution, o.body::text AS body, o.attempts, o.delivered_to

-- name: settle_message
-- Write the result of a delivery attempt. Only the latest attempt may.
UPDATE resumer.outbox o
SET state = %(state)s, delivered_to = %(delivered_to)s::text[], error = %(error)s,
  next_at = clock_timestamp() + make_interval(secs => %(again_in)s),
  delivered_at = CASE WHEN %(state)s = 'delivered' THEN clock_timestamp() END
WHERE o.key = %(key)s AND o.attempts = %(attempt)s AND o.state = 'pending'
RETURNING o.key

-- name: postpone_message
-- Take back a delivery attempt that could not be made. Only the latest attempt may.
UPDATE resumer.outbox o
SET attempts = o.attempts - 1, delivered_to = %(delivered_to)s::text[], error = %(error)s,
  next_at = clock_timestamp() + make_interval(secs => %(again_in)s)
WHERE o.key = %(key)s AND o.attempts = %(attempt)s AND o.state = 'pending'

-- name: list_messages
-- List messages of the outbox, oldest first.
SELECT o.key, e.execution_id AS execution, o.kind, o.body::text AS body, o.state, o.attempts, o.next_at, o.error,
  o.delivered_to, o.created_at, o.delivered_at
FROM resumer.outbox o
LEFT JOIN workflow_executions e ON e.id = o.execution_id
WHERE %(state)s::text IS NULL OR o.state = %(state)s
ORDER BY o.created_at
LIMIT %(limit)s

-- name: retry_messages
-- Make dead messages due again: those of these keys, or all. Returns the keys of those that were dead.
SELECT r.key
FROM unnest(coalesce(%(keys)s::text[], '{NULL}')) AS w (key) CROSS JOIN LATERAL resumer.retry_message(w.key) AS r (key)

-- name: write_record
-- Write a record into its table. An error is returned and does not abort the transaction.
SELECT r.written, r.failed_as, r.error
FROM resumer.write_record(%(table)s::text, %(key)s::text, %(identity)s::text, %(data)s::jsonb,
  %(search_path)s::text) AS r
