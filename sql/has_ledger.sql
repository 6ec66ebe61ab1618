-- Whether this database was ever migrated.
SELECT to_regclass('resumer.migrations') IS NOT NULL
