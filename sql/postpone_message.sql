-- Take back an attempt to deliver that could not be made; only the latest attempt may say so.
UPDATE resumer.outbox o
SET attempts = o.attempts - 1, reached = %(reached)s::text[], error = %(error)s,
  next_at = clock_timestamp() + make_interval(secs => %(again_in)s)
WHERE o.key = %(key)s AND o.attempts = %(attempt)s AND o.state = 'pending'
