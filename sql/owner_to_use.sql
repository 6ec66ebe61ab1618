-- The role that owns what a migration creates: `resumer_owner`, where schema `resumer` is its own already, or where it was
-- given its rights on the service's tables before the first migration, and where our role may act as it. Else no row: without
-- those rights its functions could read nothing.
SELECT r.rolname::text
FROM pg_roles r
WHERE r.rolname = 'resumer_owner' AND pg_has_role(r.oid, 'USAGE')
  AND CASE WHEN current_setting('server_version_num')::integer >= 160000
    THEN pg_has_role(r.oid, 'SET') ELSE pg_has_role(r.oid, 'MEMBER') END
  AND coalesce(
    (SELECT n.nspowner = r.oid FROM pg_namespace n WHERE n.nspname = 'resumer'),
    (SELECT bool_and(has_table_privilege(r.oid, c.oid, 'SELECT')) AND count(*) = 2
       AND has_schema_privilege(r.oid, min(c.relnamespace::bigint)::oid, 'USAGE')
     FROM pg_class c
     WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
       AND c.relname IN ('workflow_executions', 'approval_requests')))
