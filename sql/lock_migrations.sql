-- One migrator at a time; polled, never waited for: a waiting lock and CREATE INDEX CONCURRENTLY deadlock.
-- Held to the end of the transaction, which works behind a pooler too.
SELECT pg_try_advisory_xact_lock(hashtext('resumer-daemon migrations'))
