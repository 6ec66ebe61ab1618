-- What of others in this database a migration may concern: publications, logical slots, subscriptions, event triggers, and on
-- the service's tables triggers, rules, check constraints and policies that are not ours. `carries` is what a publication or
-- slot sends to others of the tables that a migration may create or alter.
WITH tables AS (
  SELECT c.oid, c.relname FROM pg_class c
  WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s::text[])
)
SELECT 'publication' AS kind, p.pubname::text AS name, NULL::text AS "table", array_to_string(o.carries, ', ') AS detail,
  o.carries
FROM pg_publication p CROSS JOIN LATERAL (
  SELECT array_remove(ARRAY[CASE WHEN p.puballtables THEN 'all tables' END,
    CASE WHEN EXISTS (
      SELECT FROM pg_publication_tables t WHERE t.pubname = p.pubname AND t.schemaname = 'resumer') THEN 'schema resumer' END]
    || ARRAY(
      SELECT c.relname::text FROM tables c
      WHERE EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)
        OR EXISTS (SELECT FROM pg_publication_tables t
          WHERE t.pubname = p.pubname AND t.schemaname = %(schema)s AND t.tablename = c.relname)
      ORDER BY 1), NULL) AS carries) AS o
WHERE o.carries <> '{}'
UNION ALL
SELECT 'logical slot', s.slot_name::text, NULL, format('plugin %%s, %%s, %%s of WAL kept', s.plugin,
  CASE WHEN s.active THEN 'active' ELSE 'not active' END,
  pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn))),
  CASE WHEN s.plugin <> 'pgoutput' THEN ARRAY['all tables'] ELSE '{}' END -- pgoutput sends what publications carry
FROM pg_replication_slots s WHERE s.slot_type = 'logical' AND s.database = current_database()
UNION ALL
SELECT 'subscription', s.subname::text, NULL, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END, '{}'
FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
UNION ALL
SELECT 'event trigger', e.evtname::text, NULL, format('%%s, runs %%s', e.evtevent, e.evtfoid::regproc), '{}'
FROM pg_event_trigger e WHERE e.evtenabled <> 'D'
UNION ALL
SELECT 'trigger', t.tgname::text, c.relname::text,
  format('%%s %%s, runs %%s%%s', CASE WHEN t.tgtype & 2 = 2 THEN 'before' ELSE 'after' END,
    concat_ws(' or ', CASE WHEN t.tgtype & 4 = 4 THEN 'insert' END, CASE WHEN t.tgtype & 16 = 16 THEN 'update' END,
      CASE WHEN t.tgtype & 8 = 8 THEN 'delete' END, CASE WHEN t.tgtype & 32 = 32 THEN 'truncate' END),
    t.tgfoid::regproc, CASE WHEN t.tgenabled = 'D' THEN ', disabled' ELSE '' END), '{}'
FROM pg_trigger t JOIN tables c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND f.pronamespace IS DISTINCT FROM to_regnamespace('resumer')
UNION ALL
SELECT 'rule', r.rulename::text, c.relname::text, pg_get_ruledef(r.oid), '{}'
FROM pg_rewrite r JOIN tables c ON c.oid = r.ev_class
UNION ALL
SELECT 'check constraint', k.conname::text, c.relname::text, pg_get_constraintdef(k.oid), '{}'
FROM pg_constraint k JOIN tables c ON c.oid = k.conrelid
WHERE k.contype = 'c'
UNION ALL
SELECT 'policy', p.polname::text, c.relname::text, format('%%s for %%s to %%s',
  CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
  (SELECT string_agg(CASE m.id WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(m.id)::text END, ', ')
   FROM unnest(p.polroles) AS m (id))), '{}'
FROM pg_policy p JOIN tables c ON c.oid = p.polrelid
WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = ANY (p.polroles) AND r.rolname LIKE 'resumer\_%%')
ORDER BY 1, 3, 2
