-- A scrape may not wait for what it measures; local, for behind a pooler the next transaction is another program's.
-- jit: counting a million pauses would be compiled first.
SELECT
  set_config('statement_timeout', '2s', true),
  set_config('enable_seqscan', 'off', true),
  set_config('jit', 'off', true)
