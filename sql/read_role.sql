-- Who we are: whether no right and no policy binds us, whether row-level security filters what we see, and of which tables
-- it may hide something: those without a policy that lets us see and write all rows, and those with one that restricts.
SELECT
  current_user::text AS name,
  r.rolsuper OR r.rolbypassrls AS unbound,
  coalesce(bool_or(c.filtered), false) AS filtered,
  coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE c.filtered AND NOT c.open), '{}') AS hiding
FROM pg_roles r
LEFT JOIN LATERAL (
  SELECT o.relname, row_security_active(o.oid) AS filtered,
    coalesce((
      SELECT bool_or(p.polpermissive AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true'
          AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true')
        AND bool_and(p.polpermissive)
      FROM pg_policy p
      WHERE p.polrelid = o.oid AND EXISTS (
        SELECT FROM unnest(p.polroles) AS m (id) WHERE m.id = 0 OR pg_has_role(m.id, 'USAGE'))
    ), false) AS open
  FROM pg_class o
  WHERE o.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND o.relrowsecurity
    AND o.relname IN ('workflows', 'rules', 'context_cache', 'workflow_executions', 'step_executions',
      'approval_requests', 'events')
) AS c ON true
WHERE r.rolname = current_user
GROUP BY r.rolsuper, r.rolbypassrls
