-- Note that a migration was applied, in its own transaction. A repeatable one may have been applied before.
INSERT INTO resumer.migrations (number, name, sha256, version)
VALUES (%(number)s::integer, %(name)s, %(sha256)s, %(version)s)
ON CONFLICT (name) DO UPDATE
SET sha256 = excluded.sha256, version = excluded.version, applied_at = clock_timestamp()
