-- A scrape may not wait for what it measures. jit: counting a million pauses would be compiled first.
SELECT
  set_config('statement_timeout', '2s', false),
  set_config('enable_seqscan', 'off', false),
  set_config('jit', 'off', false)
