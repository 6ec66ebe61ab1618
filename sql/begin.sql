-- First in each of our transactions. All of it is local to the transaction, so it is safe behind a pooler.
-- `resumer.own` tells our writes from everybody else's. A statement that was prepared while a table was small would keep
-- the plan that was good then: with these off there is only one, rows by index. jit: what cannot be avoided would be
-- compiled first. plan_cache_mode: there is nothing to plan anew for a batch of another size.
SELECT
  set_config('resumer.own', 'on', true),
  set_config('search_path', %(search_path)s, true),
  set_config('TimeZone', 'UTC', true),
  set_config('enable_seqscan', 'off', true),
  set_config('enable_bitmapscan', 'off', true),
  set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true),
  set_config('jit', 'off', true),
  set_config('plan_cache_mode', 'force_generic_plan', true),
  set_config('synchronous_commit', 'on', true),
  set_config('statement_timeout', '10s', true),
  set_config('lock_timeout', '2s', true),
  set_config('idle_in_transaction_session_timeout', '30s', true)
