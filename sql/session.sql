-- Settings, savepoints and the search path of the transactions that do the work.
-- Run by store/session.py.

-- name: apply_settings
-- Apply the settings of transactions that do the work, once or `local` to each transaction, as
-- `connection.apply_settings`.
-- `resumer.own` marks the daemon's writes. `resumer.claimed` and `resumer.holds` are what a transaction has locked.
-- Sequential scans are off: a statement that was prepared while a table was small would keep one. The statements
-- leave no other choice that grows with a table. Other planner methods stay on, because these settings also reach
-- triggers, policies and foreign keys of the service.
-- jit: compiling takes longer than the statements do. plan_cache_mode: a batch of another size needs no new plan.
-- transaction_timeout bounds how long a transaction holds its locks. `idle_in_transaction_session_timeout` does not
-- notice one that was stopped in the middle of a pipeline.
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
-- Read the search path that role and database set for this session, and whether the service has code that depends on
-- it: a trigger, or a function in a constraint, a default, an index or a policy of the tables that the daemon writes.
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
-- Use the search path that role and database set, and PostgreSQL's own planning, so that the service's triggers find
-- what they name. Statements that run after this must name their operators exactly.
SELECT pg_catalog.set_config('search_path', %(search_path)s::pg_catalog.text, true),
  pg_catalog.set_config('plan_cache_mode', 'auto', true)

-- name: use_own_path
-- Return to the daemon's search path and plans, after the service's tables are written.
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
-- Check deferred constraints of the service now. At the commit nobody could tell which execution violates one.
SET CONSTRAINTS ALL IMMEDIATE
