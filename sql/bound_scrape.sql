-- A scrape may not wait for what it measures.
SELECT set_config('statement_timeout', '2s', false), set_config('enable_seqscan', 'off', false)
