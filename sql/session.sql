-- Settings, savepoints and the search path of the transactions that do the work.
-- Run by store/session.py.

-- name: apply_settings
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

-- name: read_service_path
-- The path that role and database set for this session, whether the service has code that depends on it (a trigger, or a
-- function in a constraint, a default, an index or a policy of the tables that we write), and whether this database is
-- migrated.
SELECT (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'search_path') AS search_path,
  EXISTS (
    SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND f.pronamespace IS DISTINCT FROM to_regnamespace('resumer')
      AND c.relnamespace = to_regnamespace('service_schema')
      AND c.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log'))
  OR EXISTS (
    SELECT FROM pg_depend d
    LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid
    LEFT JOIN pg_constraint n ON d.classid = 'pg_constraint'::regclass AND n.oid = d.objid
    LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
    JOIN pg_class c ON c.oid = coalesce(a.adrelid, n.conrelid, p.polrelid, i.indrelid)
    WHERE d.refclassid = 'pg_proc'::regclass AND c.relnamespace = to_regnamespace('service_schema')
      AND c.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log')) AS has_code,
  to_regnamespace('resumer') IS NOT NULL AS migrated

-- name: use_service_path
-- Let the service's triggers find what they name, on the path that role and database set, and plan their statements as
-- PostgreSQL does by itself. Statements that run from now on name their operators exactly.
SELECT pg_catalog.set_config('search_path', %(search_path)s::pg_catalog.text, true),
  pg_catalog.set_config('plan_cache_mode', 'auto', true)

-- name: use_own_path
-- Return to our own path and plans, after the service's tables are written.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)

-- name: savepoint
-- Begin a part of a transaction that may fail alone.
SAVEPOINT part

-- name: rollback_to_savepoint
-- Undo a part of a transaction that has failed.
ROLLBACK TO SAVEPOINT part

-- name: release_savepoint
-- Keep a part of a transaction that has not failed.
RELEASE SAVEPOINT part

-- name: check_constraints
-- Check what the service's constraints would check at the commit only, when nobody could tell whose fault it is.
SET CONSTRAINTS ALL IMMEDIATE
