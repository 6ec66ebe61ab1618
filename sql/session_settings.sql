-- What holds in the transactions of a session beside that: set once, or `local` to each transaction, as `settings`.
-- `resumer.own` tells our writes from everybody else's; `resumer.claimed` and `resumer.holds` are what a transaction has
-- locked. A statement that was prepared while a table was small would keep the plan that was good then: with these off
-- there is only one, rows by index. jit: what cannot be avoided would be compiled first. plan_cache_mode: there is nothing
-- to plan anew for a batch of another size. No transaction holds its locks for longer than transaction_timeout, whatever its
-- daemon does: `idle_in_transaction_session_timeout` does not see one that was stopped in the middle of a pipeline.
SELECT
  pg_catalog.set_config('resumer.own', 'on', %(local)s),
  pg_catalog.set_config('resumer.claimed', '{}', %(local)s),
  pg_catalog.set_config('resumer.holds', '{}', %(local)s),
  pg_catalog.set_config('row_security', %(row_security)s, %(local)s),
  pg_catalog.set_config('enable_seqscan', 'off', %(local)s),
  pg_catalog.set_config('enable_bitmapscan', 'off', %(local)s),
  pg_catalog.set_config('enable_hashjoin', 'off', %(local)s),
  pg_catalog.set_config('enable_mergejoin', 'off', %(local)s),
  pg_catalog.set_config('enable_indexscan', 'on', %(local)s),
  pg_catalog.set_config('enable_indexonlyscan', 'on', %(local)s),
  pg_catalog.set_config('enable_nestloop', 'on', %(local)s),
  pg_catalog.set_config('max_parallel_workers_per_gather', '0', %(local)s),
  pg_catalog.set_config('from_collapse_limit', '8', %(local)s),
  pg_catalog.set_config('join_collapse_limit', '8', %(local)s),
  pg_catalog.set_config('geqo', 'off', %(local)s),
  pg_catalog.set_config('jit', 'off', %(local)s),
  pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', %(local)s),
  CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
    THEN pg_catalog.set_config('transaction_timeout', '15s', %(local)s) END
