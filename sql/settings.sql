-- What holds in all our transactions: set once for a session that keeps its backend, else `local` to each transaction.
-- `resumer.own` tells our writes from everybody else's; `resumer.claimed` and `resumer.holds` are what a transaction has
-- locked. A statement that was prepared while a table was small would keep the plan that was good then: with these off
-- there is only one, rows by index. jit: what cannot be avoided would be compiled first. plan_cache_mode: there is nothing
-- to plan anew for a batch of another size.
SELECT
  pg_catalog.set_config('resumer.own', 'on', %(local)s),
  pg_catalog.set_config('resumer.claimed', '{}', %(local)s),
  pg_catalog.set_config('resumer.holds', '{}', %(local)s),
  pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', %(local)s),
  pg_catalog.set_config('row_security', %(row_security)s, %(local)s),
  pg_catalog.set_config('TimeZone', 'UTC', %(local)s),
  pg_catalog.set_config('enable_seqscan', 'off', %(local)s),
  pg_catalog.set_config('enable_bitmapscan', 'off', %(local)s),
  pg_catalog.set_config('enable_hashjoin', 'off', %(local)s),
  pg_catalog.set_config('enable_mergejoin', 'off', %(local)s),
  pg_catalog.set_config('jit', 'off', %(local)s),
  pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', %(local)s),
  pg_catalog.set_config('synchronous_commit', 'on', %(local)s),
  pg_catalog.set_config('statement_timeout', '10s', %(local)s),
  pg_catalog.set_config('lock_timeout', '2s', %(local)s),
  pg_catalog.set_config('idle_in_transaction_session_timeout', '30s', %(local)s)
