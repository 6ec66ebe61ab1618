-- The migrations that were applied, oldest first.
SELECT number, name, sha256, applied_at FROM resumer.migrations ORDER BY number
