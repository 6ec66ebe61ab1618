-- The server as it stands: version, settings that change what we do, and how full shared things are.
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
