-- Install, upgrade and remove the schema; switch the guard and the adoption.
-- Run by store/migrate.py, store/migration_*.py and store/schema_change.py.

-- name: has_database
-- Check whether the server has a database of this name.
SELECT 1 FROM pg_database WHERE datname = %(name)s

-- name: create_database
-- Create the database of `dev`.
CREATE DATABASE resumer

-- name: lock
-- Take the migrators' lock, if it is free. It is polled: a waiting lock and CREATE INDEX CONCURRENTLY would deadlock.
-- It is held until the end of the transaction, which also works behind a pooler.
SELECT pg_try_advisory_xact_lock(hashtext('resumer-daemon migrations'))

-- name: prepare
-- Apply the settings of a migration's transaction. They bound its waits for locks, not its work. A wait ends an
-- autovacuum that holds the lock after deadlock_timeout, which only a superuser may set.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true),
  CASE WHEN (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
    THEN pg_catalog.set_config('deadlock_timeout', %(deadlock_timeout)s, true) END,
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('resumer.own', 'on', true),
  pg_catalog.set_config('resumer.keep_columns', %(keep_columns)s, true)

-- name: has_history
-- Check whether this database was ever migrated. It reads the catalog, because to_regclass may answer from a cache
-- that is older than the migrators' lock.
SELECT EXISTS (
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'resumer' AND c.relname = 'migrations')

-- name: read_history
-- Read the applied migrations, with the version of the program that applied each.
SELECT number, name, sha256, version, applied_at FROM resumer.migrations

-- name: server_time
-- Return the server's time. `applied_at` is on the same clock.
SELECT clock_timestamp()

-- name: read_use
-- Count what `migrate down` would end: paused executions, settled and open requests, and connected daemons.
SELECT (SELECT count(*) FROM resumer.pauses p WHERE p.resumed_at IS NULL) AS paused,
  (SELECT count(*) FROM resumer.requests) AS requests,
  (SELECT count(*) FROM pg_stat_activity a
   WHERE a.datname = current_database() AND a.application_name = 'resumer-worker') AS daemons

-- name: insert_migration
-- Record that a migration was applied, in its own transaction. A repeatable one may have been applied before.
INSERT INTO resumer.migrations (number, name, sha256, version)
VALUES (%(number)s::integer, %(name)s, %(sha256)s, %(version)s)
ON CONFLICT (name) DO UPDATE
SET sha256 = excluded.sha256, version = excluded.version, applied_at = clock_timestamp()

-- name: delete_migration
-- Record that a migration was undone, in its own transaction.
DELETE FROM resumer.migrations WHERE name = %(name)s

-- name: find_owner
-- Find the role that owns what a migration creates. It is `resumer_owner` if it owns schema `resumer`, or had its
-- rights on the service's tables before the first migration, and if the current role may act as it. Otherwise there
-- is no row: without those rights its functions could read nothing.
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

-- name: become_owner
-- Create what follows as `resumer_owner`. No administrator must own functions that run with the rights of their
-- owner.
SET LOCAL ROLE resumer_owner

-- name: become_migrator
-- Return to the role that migrates, which may alter the service's tables.
SET LOCAL ROLE NONE

-- name: transfer_objects
-- Transfer objects of schema `resumer` that another role owns to `resumer_owner`, which can only replace its own.
DO $do$
DECLARE
  given record;
BEGIN
  FOR given IN
    SELECT 'ALTER SCHEMA resumer OWNER TO resumer_owner' AS statement
    FROM pg_namespace n WHERE n.nspname = 'resumer' AND pg_get_userbyid(n.nspowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER %s resumer.%I OWNER TO resumer_owner', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind IN ('r', 'p', 'v')
      AND pg_get_userbyid(c.relowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER DOMAIN resumer.%I OWNER TO resumer_owner', t.typname)
    FROM pg_type t
    WHERE t.typnamespace = to_regnamespace('resumer') AND t.typtype = 'd' AND pg_get_userbyid(t.typowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER FUNCTION %s OWNER TO resumer_owner', f.oid::regprocedure)
    FROM pg_proc f
    WHERE f.pronamespace = to_regnamespace('resumer') AND pg_get_userbyid(f.proowner) <> 'resumer_owner'
  LOOP
    EXECUTE given.statement;
  END LOOP;
END
$do$

-- name: read_policies
-- Read the policies on the service's tables that `migrate grants` created: for each table the statements that drop
-- them.
SELECT c.relname::text AS "table",
  string_agg(format('DROP POLICY %%I ON %%I.%%I', p.polname, n.nspname, c.relname), '; ' ORDER BY p.polname) AS statements
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND p.polname ~ '^resumer($|_owner_|_reader_)'
GROUP BY c.relname ORDER BY 1

-- name: read_functions
-- Read the functions of schema resumer: name, body, whether it has the rights of its owner, and its search path.
SELECT f.proname::text, f.prosrc, f.prosecdef,
  (SELECT substr(c.entry, 13) FROM unnest(f.proconfig) AS c (entry) WHERE c.entry LIKE 'search\_path=%')
FROM pg_proc f WHERE f.pronamespace = to_regnamespace('resumer')

-- name: read_views
-- Read the names of the views of schema resumer.
SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind = 'v'

-- name: read_bound_triggers
-- Read the daemon's triggers on the service's tables, enabled or not.
SELECT t.tgname::text
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_proc f ON f.oid = t.tgfoid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND f.pronamespace = to_regnamespace('resumer')
  AND NOT t.tgisinternal

-- name: save_trigger_states
-- Save which triggers are disabled or always fire, until `restore_trigger_states` in the same transaction.
SELECT pg_catalog.set_config('resumer.trigger_states', coalesce(jsonb_object_agg(t.tgname, t.tgenabled), '{}')::text, true)
FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
WHERE f.pronamespace = to_regnamespace('resumer') AND NOT t.tgisinternal

-- name: restore_trigger_states
-- Restore the saved states of triggers that were dropped and created again.
DO $do$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass,
      CASE s.value WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END,
      t.tgname) AS statement
    FROM jsonb_each_text(current_setting('resumer.trigger_states')::jsonb) AS s
    JOIN pg_trigger t ON t.tgname = s.key AND NOT t.tgisinternal
    JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = to_regnamespace('resumer')
    WHERE t.tgenabled::text <> s.value
  LOOP
    EXECUTE changed.statement;
  END LOOP;
END
$do$

-- name: read_migrator
-- Read the current role, and whether it may create a schema in this database.
SELECT current_user::text AS name, current_database()::text AS database,
  has_database_privilege(current_database(), 'CREATE') AS may_create,
  to_regnamespace('resumer') IS NOT NULL AS installed

-- name: read_surroundings
-- Read objects of others that a migration may concern: publications, logical slots, subscriptions, event triggers
-- policies on the service's tables, and triggers, rules and check constraints on those that the daemon writes. `carries` names the tables that a
-- publication or slot sends and that a migration may create or alter.
WITH tables AS (
  SELECT c.oid, c.relname FROM pg_class c
  WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s::text[])
), changed AS (
  SELECT t.oid, t.relname FROM tables t
  WHERE t.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log', 'events')
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
FROM pg_trigger t JOIN changed c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND f.pronamespace IS DISTINCT FROM to_regnamespace('resumer')
UNION ALL
SELECT 'rule', r.rulename::text, c.relname::text, pg_get_ruledef(r.oid), '{}'
FROM pg_rewrite r JOIN changed c ON c.oid = r.ev_class
UNION ALL
SELECT 'check constraint', k.conname::text, c.relname::text, pg_get_constraintdef(k.oid), '{}'
FROM pg_constraint k JOIN changed c ON c.oid = k.conrelid
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

-- name: find_lock_holders
-- Find the sessions that hold what a migration waits for: conflicting locks on tables of the service, or the
-- migrators' lock. A prepared transaction has no process. Queries of other roles are visible to members of
-- pg_read_all_stats only.
SELECT CASE l.locktype WHEN 'advisory' THEN 'the lock of migrators' ELSE l.relation::regclass::text END AS what,
  l.pid, p.gid, nullif(a.application_name, '') AS application, a.usename::text AS role, a.state,
  extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float AS transaction_age,
  extract(epoch FROM clock_timestamp() - a.query_start)::float AS query_age,
  left(regexp_replace(a.query, '\s+', ' ', 'g'), 80) AS query
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
  AND x.locktype = 'transactionid'
LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND CASE l.locktype
    WHEN 'relation' THEN EXISTS (
      SELECT FROM unnest(%(tables)s::text[], %(modes)s::text[]) AS w (name, mode)
      JOIN pg_class c ON c.relname = w.name AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
      WHERE (l.relation = c.oid OR EXISTS (SELECT FROM pg_partition_tree(c.oid) AS t WHERE t.relid = l.relation))
        AND (w.mode = 'ACCESS EXCLUSIVE' OR l.mode NOT IN ('AccessShareLock', 'RowShareLock')))
    WHEN 'advisory' THEN %(tables)s::text[] = '{}' AND l.objsubid = 1
      AND l.objid = (hashtext('resumer-daemon migrations')::bigint & 4294967295)::oid END
ORDER BY transaction_age DESC NULLS LAST, l.pid
LIMIT 5

-- name: set_adopt_blocked
-- Set whether executions that the service ends as blocked become pauses. An unchanged value is not written.
UPDATE resumer.control SET adopt_blocked = %(on)s WHERE adopt_blocked <> %(on)s

-- name: guard_enabled
-- Check whether the trigger of the decision guard is enabled.
SELECT t.tgenabled <> 'D' FROM pg_trigger t
WHERE t.tgrelid = 'service_schema.approval_requests'::regclass AND t.tgname = 'resumer_approval_guard'

-- name: enable_guard
-- Enable the trigger of the decision guard, which rejects approvals that must not count. Only the table's owner may run this.
ALTER TABLE approval_requests ENABLE TRIGGER resumer_approval_guard

-- name: disable_guard
-- Disable the trigger of the decision guard. The daemon still checks approvals if RESUMER_DECISION_GUARD is audit.
ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_guard
