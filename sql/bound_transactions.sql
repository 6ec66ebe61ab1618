-- No transaction of ours holds its locks for longer, whatever its daemon does: `idle_in_transaction_session_timeout`
-- does not see one that was stopped in the middle of a pipeline. PostgreSQL 17 and later.
SELECT pg_catalog.set_config('transaction_timeout', '15s', %(local)s)
