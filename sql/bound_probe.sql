-- While we look who we are and what is there, no timeout of a role or database may count: ours come after that.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '10s', true), pg_catalog.set_config('lock_timeout', '2s', true),
  pg_catalog.set_config('idle_in_transaction_session_timeout', '30s', true)
