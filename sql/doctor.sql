-- Read what the checks of `doctor` examine.
-- Run by store/doctor/*.py.

-- name: limits
-- Limit a check: it waits for nobody, and finds the service's tables.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '10s', true),
  pg_catalog.set_config('lock_timeout', '1s', true)

-- name: server
-- Read the server's version, settings that change what the daemon does, and how full shared resources are.
SELECT
  current_setting('server_version_num')::integer AS version,
  current_setting('default_transaction_isolation') AS isolation,
  current_setting('max_connections')::integer AS connections_max,
  quote_ident(session_user) AS role,
  quote_ident(current_database()) AS database,
  (SELECT CASE WHEN r.rolsuper OR r.rolconnlimit < 0 THEN NULL ELSE r.rolconnlimit END
    FROM pg_roles r WHERE r.rolname = session_user) AS role_limit,
  (SELECT CASE WHEN r.rolsuper OR d.datconnlimit < 0 THEN NULL ELSE d.datconnlimit END
    FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = session_user) AS database_limit,
  (SELECT coalesce(sum(d.numbackends), 0)::integer FROM pg_stat_database d) AS connections,
  pg_notification_queue_usage()::float8 AS queue,
  extract(epoch FROM clock_timestamp())::float8 AS clock,
  pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
  (SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8 FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL) AS oldest_transaction,
  (SELECT max(extract(epoch FROM clock_timestamp() - p.prepared))::float8 FROM pg_prepared_xacts p
    WHERE p.database = current_database()) AS oldest_prepared

-- name: imposed_settings
-- Read the settings that the role and this database impose on the daemon's sessions: where, name and value.
SELECT
  concat_ws(' in ', CASE WHEN s.setrole <> 0 THEN 'role ' || quote_ident(session_user) END,
    CASE WHEN s.setdatabase <> 0 THEN 'database ' || quote_ident(current_database()) END) AS who,
  split_part(c.entry, '=', 1) AS name,
  substr(c.entry, strpos(c.entry, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (entry)
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND s.setrole IN (0, (SELECT r.oid FROM pg_roles r WHERE r.rolname = session_user))
ORDER BY 1, 2

-- name: two_phase
-- Read how many transactions may be prepared at once.
SELECT current_setting('max_prepared_transactions')::integer

-- name: stale_sequences
-- Find sequences whose next values are taken, each with the statement that advances it.
SELECT s.sequence, coalesce(s.last_value, 0) AS last, s.highest, format('SELECT setval(%L, %s)', s.sequence, s.highest) AS remedy
FROM resumer.sequences() AS s
WHERE s.highest > coalesce(s.last_value, 0)

-- name: function_owners
-- Find owners of the daemon's functions that no right or policy binds. The functions run with their rights.
SELECT DISTINCT r.rolname::text AS owner
FROM pg_proc f JOIN pg_roles r ON r.oid = f.proowner
WHERE f.pronamespace = to_regnamespace('resumer') AND f.prosecdef AND (r.rolsuper OR r.rolbypassrls)

-- name: schema_creators
-- Find roles, other than its owner and superusers, that may create objects in the service's schema.
SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE r.rolname::text END AS creator, n.nspname::text AS schema
FROM pg_namespace n
CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.oid = to_regnamespace(quote_ident(%(schema)s)) AND a.privilege_type = 'CREATE'
  AND a.grantee <> n.nspowner AND NOT coalesce(r.rolsuper, false)
ORDER BY 1

-- name: foreign_triggers
-- Read triggers of others on the service's tables that the daemon writes. They run in its transactions.
SELECT c.relname::text AS "table", t.tgname::text AS trigger, t.tgfoid::regproc::text AS function
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND f.pronamespace IS DISTINCT FROM to_regnamespace('resumer')
  AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
  AND c.relname IN ('workflow_executions', 'step_executions', 'approval_requests', 'audit_log', 'events')
ORDER BY 1, 2

-- name: control
-- Read the control row, and how many daemons are registered.
SELECT c.notify, c.service_timezone, c.decision_guard, c.closed_status, c.document_bytes, c.event_capture, c.adopt_blocked,
  extract(epoch FROM c.adopt_within)::float8 AS adopt_within,
  (SELECT count(*)::integer FROM resumer.instances i WHERE NOT i.dead) AS daemons
FROM resumer.control c

-- name: work
-- Read how long the oldest due request waits, how many executions are incidents, and how many have a state of a newer
-- version (of the first 100,000 pauses).
SELECT
  (SELECT extract(epoch FROM clock_timestamp() - min(o.due_at))::float8 FROM (
    SELECT r.due_at FROM resumer.resume_requests r WHERE r.outcome IS NULL AND r.due_at <= now() ORDER BY r.due_at LIMIT 1
  ) AS o) AS oldest_due,
  (SELECT count(*)::integer FROM (
      SELECT p.state -> 'v' AS v FROM resumer.pauses p WHERE p.resumed_at IS NULL LIMIT 100000) AS o
    WHERE o.v > to_jsonb(%(version)s::integer))
  + (SELECT count(*)::integer FROM resumer.leases l
    WHERE l.lease_until IS NOT NULL AND l.state -> 'v' > to_jsonb(%(version)s::integer)) AS newer,
  (SELECT count(*)::integer FROM resumer.pauses p WHERE p.resumed_at IS NULL AND p.reason = 'incident') AS incidents

-- name: bloat
-- Read the dead tuples of the queue and of the pauses, and the time of their last vacuum.
SELECT s.relname::text AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
  greatest(s.last_vacuum, s.last_autovacuum)::text AS cleaned
FROM pg_stat_all_tables s
WHERE s.schemaname = 'resumer' AND s.relname IN ('resume_requests', 'event_queue', 'pauses', 'leases', 'control', 'outbox')
ORDER BY 1

-- name: clock_skew
-- Compare the writers' clocks with the server's: count the last decisions whose `decided_at`, in the zone of the
-- settings, is more than a minute from when the trigger saw them, and the median difference in seconds.
SELECT count(*)::integer AS decisions, count(*) FILTER (WHERE abs(d.off) > 60)::integer AS off,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY d.off) FILTER (WHERE abs(d.off) > 60))::float8 AS seconds
FROM (
  SELECT extract(epoch FROM (CASE WHEN a.decided_at BETWEEN '0001-01-01' AND '9999-01-01' THEN a.decided_at END)
    AT TIME ZONE %(timezone)s - r.requested_at)::float8 AS off
  FROM (
    SELECT o.source_id, o.requested_at, o.decision FROM resumer.requests o
    WHERE o.kind = 'approval' ORDER BY o.id DESC LIMIT 1000
  ) AS r
  JOIN approval_requests a ON a.id = r.source_id AND a.status = r.decision
) AS d

-- name: writer_settings
-- Read settings that roles and databases impose on sessions that write decisions and that the triggers cannot change:
-- where, name and value. The current role is left out, because the daemon applies its own settings.
SELECT
  coalesce(r.rolname, 'everybody')::text AS who,
  split_part(c.entry, '=', 1) AS name,
  substr(c.entry, strpos(c.entry, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (entry)
LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND r.rolname IS DISTINCT FROM current_user
UNION ALL
SELECT 'the server', p.name, p.setting || coalesce(p.unit, '') FROM pg_settings p
WHERE p.source IN ('configuration file', 'command line', 'environment variable')
ORDER BY 1, 2
