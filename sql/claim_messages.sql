-- Take due notifications for one attempt each, those that became due `back` seconds ago at most. Nobody holds them meanwhile:
-- they are due again when the time is over.
UPDATE resumer.outbox o
SET attempts = o.attempts + 1, next_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE o.key = ANY (ARRAY(
  SELECT m.key FROM resumer.outbox m
  WHERE m.state = 'pending' AND m.kind = 'notify' AND m.next_at <= statement_timestamp()
    AND m.next_at >= statement_timestamp() - make_interval(secs => %(back)s)
  ORDER BY m.next_at
  LIMIT %(limit)s
  FOR UPDATE SKIP LOCKED))
RETURNING o.key, o.execution_id::text AS execution, o.body::text AS body, o.attempts, o.reached
