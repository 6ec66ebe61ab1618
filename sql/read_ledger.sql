-- The migrations that were applied, with the version of the program that applied each.
SELECT number, name, sha256, version, applied_at FROM resumer.migrations
