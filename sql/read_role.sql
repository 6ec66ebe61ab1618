-- Who we are: whether no right and no policy binds us, whether row-level security filters what we see, and of which tables
-- it may hide something. That is so for a right that we have on a table, unless one policy lets all rows pass for it, and
-- none that restricts it concerns us.
SELECT
  current_user::text AS name,
  r.rolsuper OR r.rolbypassrls AS unbound,
  coalesce(bool_or(c.filtered), false) AS filtered,
  coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE c.filtered AND NOT c.open), '{}') AS hiding
FROM pg_roles r
LEFT JOIN LATERAL (
  SELECT o.relname, row_security_active(o.oid) AS filtered,
    coalesce((
      SELECT bool_and(coalesce((
        SELECT bool_or(p.polpermissive AND coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
            AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true')
          AND bool_and(p.polpermissive)
        FROM pg_policy p
        WHERE p.polrelid = o.oid AND p.polcmd IN ('*', v.command) AND EXISTS (
          SELECT FROM unnest(p.polroles) AS m (id) WHERE m.id = 0 OR pg_has_role(m.id, 'USAGE'))
      ), false))
      FROM (VALUES ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE')) AS v (command, verb)
      WHERE has_any_column_privilege(o.oid, v.verb)
    ), true) AS open
  FROM pg_class o
  WHERE o.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND o.relrowsecurity
    AND o.relname IN ('workflows', 'rules', 'context_cache', 'workflow_executions', 'step_executions',
      'approval_requests', 'events')
) AS c ON true
WHERE r.rolname = current_user
GROUP BY r.rolsuper, r.rolbypassrls
