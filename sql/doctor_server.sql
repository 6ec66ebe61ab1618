-- The server as it stands: version, settings that change what we do, and how full shared things are.
SELECT
  current_setting('server_version_num')::integer AS version,
  current_setting('default_transaction_isolation') AS isolation,
  current_setting('max_connections')::integer AS connections_max,
  (SELECT coalesce(sum(d.numbackends), 0)::integer FROM pg_stat_database d) AS connections,
  pg_notification_queue_usage()::float8 AS queue,
  extract(epoch FROM clock_timestamp())::float8 AS clock,
  pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others,
  (SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8 FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL) AS oldest_transaction,
  (SELECT max(extract(epoch FROM clock_timestamp() - p.prepared))::float8 FROM pg_prepared_xacts p
    WHERE p.database = current_database()) AS oldest_prepared
