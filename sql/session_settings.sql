-- What holds in the transactions of a session beside that: set once, or `local` to each transaction, as `settings`.
-- `resumer.own` tells our writes from everybody else's; `resumer.claimed` and `resumer.holds` are what a transaction has
-- locked. Of the planner's methods one is off, the sequential scan: a statement that was prepared while a table was small would
-- keep it. The shape of our statements leaves no other choice that grows with a table. Whatever is set here reaches triggers,
-- policies and foreign keys of the service, so no other method is off. jit: to compile takes longer than such statements.
-- plan_cache_mode: there is nothing to plan anew for a batch of another size. No transaction holds its locks for longer than
-- transaction_timeout, whatever its daemon does: `idle_in_transaction_session_timeout` does not see one that was stopped in the
-- middle of a pipeline.
SELECT
  pg_catalog.set_config('resumer.own', 'on', %(local)s),
  pg_catalog.set_config('resumer.claimed', '{}', %(local)s),
  pg_catalog.set_config('resumer.holds', '{}', %(local)s),
  pg_catalog.set_config('row_security', %(row_security)s, %(local)s),
  pg_catalog.set_config('enable_seqscan', 'off', %(local)s),
  pg_catalog.set_config('enable_indexscan', 'on', %(local)s),
  pg_catalog.set_config('enable_indexonlyscan', 'on', %(local)s),
  pg_catalog.set_config('enable_nestloop', 'on', %(local)s),
  pg_catalog.set_config('jit', 'off', %(local)s),
  pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', %(local)s),
  CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
    THEN pg_catalog.set_config('transaction_timeout', '15s', %(local)s) END
