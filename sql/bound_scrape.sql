-- A scrape may not wait for what it measures; local, for behind a pooler the next transaction is another program's.
-- jit: counting a million pauses would be compiled first.
SELECT
  pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '2s', true),
  pg_catalog.set_config('enable_seqscan', 'off', true),
  pg_catalog.set_config('jit', 'off', true)
