-- The settings of a migration's transaction: bounded in its waiting for locks, not in its work.
SELECT set_config('search_path', %(search_path)s, true), set_config('lock_timeout', %(lock_timeout)s, true),
  set_config('statement_timeout', '0', true), set_config('resumer.own', 'on', true),
  set_config('resumer.keep_columns', %(keep_columns)s, true)
