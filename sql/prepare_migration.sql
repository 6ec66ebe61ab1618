-- The settings of a migration's transaction: bounded in its waiting for locks, not in its work. A wait ends an autovacuum
-- that is in the way after deadlock_timeout, which only a superuser may set.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
  CASE WHEN (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
    THEN pg_catalog.set_config('deadlock_timeout', %(deadlock_timeout)s, true) END,
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('resumer.own', 'on', true),
  pg_catalog.set_config('resumer.keep_columns', %(keep_columns)s, true)
