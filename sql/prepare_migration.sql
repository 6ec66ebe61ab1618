-- The settings of a migration's transaction: bounded in its waiting for locks, not in its work.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('resumer.own', 'on', true),
  pg_catalog.set_config('resumer.keep_columns', %(keep_columns)s, true)
