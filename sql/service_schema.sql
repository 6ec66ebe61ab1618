-- Read which tables, columns, rights and triggers the service's database has.
-- Run by store/service_schema.py, store/role.py and store/triggers.py.

-- name: has_schema
-- Check whether the schema of the service's tables exists.
SELECT to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL

-- name: read_columns
-- Read the columns of the service's tables: their types, whether one refuses NULL, whether an insert may omit it (it
-- has a default, or a trigger may fill it), and whether the database computes it. Key columns that the role may not
-- read count as missing.
SELECT c.relname, a.attname,
  format_type(a.atttypid, NULL) || CASE t.typtype WHEN 'e' THEN ' (an enum)'
    WHEN 'd' THEN format(' (a domain over %%s)', format_type(t.typbasetype, t.typtypmod)) ELSE '' END,
  a.attnotnull,
  NOT a.attnotnull OR a.atthasdef OR a.attidentity <> ''
    OR EXISTS (
      SELECT FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND t.tgenabled <> 'D' AND t.tgname NOT LIKE 'resumer\_%%'
        AND t.tgtype & 7 = 7),  -- before an insert, for each row
  a.attgenerated <> '' OR a.attidentity = 'a'
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relname <> 'api_keys' OR has_table_privilege(c.oid, 'SELECT'))

-- name: read_tables
-- Read the service's tables before a migration: the owner of each, whether the role may alter it, its size as of the
-- last ANALYZE, and whether row-level security is on.
SELECT c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner, pg_has_role(c.relowner, 'USAGE') AS owned,
  greatest(sum(p.reltuples), 0)::bigint AS rows,
  (sum(p.relpages) * current_setting('block_size')::bigint)::bigint AS bytes, count(*) - 1 AS partitions,
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND col_description(c.oid, a.attnum) = 'added by resumer-daemon' ORDER BY a.attnum) AS added,
  ARRAY(SELECT t.tgname::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND f.pronamespace = to_regnamespace('resumer') ORDER BY 1) AS triggers
FROM pg_class c
CROSS JOIN LATERAL (
  SELECT c.oid AS relid UNION SELECT t.relid FROM pg_partition_tree(c.oid) AS t) AS part
JOIN pg_class p ON p.oid = part.relid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s::text[])
GROUP BY c.oid
ORDER BY c.relname

-- name: read_role
-- Read what binds the current role: whether no right and no policy does, whether row-level security filters its rows,
-- and the tables that may hide rows from it.
-- A table may hide rows for a right of the role, unless one permissive policy lets all rows pass for it and no
-- restrictive policy applies.
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

-- name: read_triggers
-- Read the daemon's triggers on the service's tables, and whether each fires.
SELECT t.tgname::text, t.tgenabled IN ('O', 'A') AS fires FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname LIKE 'resumer\_%%' AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))

-- name: switch_triggers
-- Return the statements that disable or enable the daemon's triggers, one for each table that needs it.
-- RESUMER_DECISION_GUARD decides whether the guard of decisions is enabled with them.
SELECT c.relname::text AS name, format('ALTER TABLE %%s %%s', c.oid::regclass,
  string_agg(format('%%s TRIGGER %%I', CASE WHEN %(on)s THEN 'ENABLE' ELSE 'DISABLE' END, t.tgname), ', ' ORDER BY t.tgname)) AS statement
FROM pg_trigger t
JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = to_regnamespace('resumer')
JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
WHERE NOT t.tgisinternal AND CASE WHEN %(on)s THEN t.tgenabled NOT IN ('O', 'A') AND t.tgname <> 'resumer_approval_guard'
  ELSE t.tgenabled <> 'D' END
GROUP BY c.oid, c.relname
ORDER BY c.relname
