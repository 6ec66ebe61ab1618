-- The triggers of others on the service's tables that we write: they run in our transactions.
SELECT c.relname::text AS "table", t.tgname::text AS trigger, t.tgfoid::regproc::text AS function
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND f.pronamespace IS DISTINCT FROM to_regnamespace('resumer')
  AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
  AND c.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log', 'events')
ORDER BY 1, 2
