-- Who holds what a migration waits for: locks on tables of the service that conflict with its own, or the lock of migrators.
-- A prepared transaction has no process. Of other roles a query is shown to members of pg_read_all_stats only.
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
