-- What waits for a person because the daemon must not decide it, the oldest first.
SELECT i.* FROM resumer.incidents i ORDER BY i.paused_at LIMIT %(limit)s
