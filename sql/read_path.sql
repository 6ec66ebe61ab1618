-- The path that role and database set for this session, and whether the service has code that depends on it: a trigger, or a
-- function in a constraint, a default, an index or a policy of the tables that we write.
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
      AND c.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log')) AS has_code
