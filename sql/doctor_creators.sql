-- Who, other than its owner and superusers, may create in the service's schema.
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE r.rolname::text END AS creator, n.nspname::text AS schema
FROM pg_namespace n
CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.oid = to_regnamespace(quote_ident(%(schema)s)) AND a.privilege_type = 'CREATE'
  AND a.grantee <> n.nspowner AND NOT coalesce(r.rolsuper, false)
ORDER BY 1
