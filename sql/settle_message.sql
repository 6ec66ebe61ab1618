-- What an attempt to deliver came to; only the latest attempt may say.
UPDATE resumer.outbox o
SET state = %(state)s, reached = %(reached)s::text[], error = %(error)s,
  next_at = clock_timestamp() + make_interval(secs => %(again_in)s),
  delivered_at = CASE WHEN %(state)s = 'delivered' THEN clock_timestamp() END
WHERE o.key = %(key)s AND o.attempts = %(attempt)s AND o.state = 'pending'
RETURNING o.key
