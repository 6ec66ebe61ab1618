-- Read the values that `/metrics` shows.
-- Run by store/gauges.py.

-- name: limit_scrape
-- Limit a scrape, which must not wait for what it measures. The settings are local, because behind a pooler the next
-- transaction belongs to another program. jit: counting a million pauses would be compiled first.
SELECT
  pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '2s', true),
  pg_catalog.set_config('enable_seqscan', 'off', true),
  pg_catalog.set_config('jit', 'off', true)

-- name: read_requests
-- Count due requests by kind, and the age of the oldest, bounded. This must be true while the daemon is stuck. The
-- planner does not know that due and open are correlated: ORDER BY due_at LIMIT keeps it on the index.
SELECT due.kind, count(*) AS open,
  greatest(0, extract(epoch FROM clock_timestamp() - min(due.due_at)))::float8 AS oldest
FROM (
  SELECT r.kind, r.due_at FROM resumer.resume_requests r
  WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
  ORDER BY r.due_at
  LIMIT 10001) AS due
GROUP BY due.kind

-- name: read_pauses
-- Count open pauses by reason, and the age of the oldest of each.
SELECT p.reason, count(*) AS open,
  extract(epoch FROM clock_timestamp() - min(p.paused_at))::float8 AS oldest
FROM resumer.pauses p
WHERE p.resumed_at IS NULL
GROUP BY p.reason

-- name: read_server
-- Count, each bounded and in the order of its index: timers of approvals that fire within the hour, pending and dead
-- messages, and leases. Also read the usage of the notification queue, dead tuples, the age of the oldest open
-- transaction, and whether commits hang because a synchronous standby is missing.
SELECT
  (SELECT count(*) FROM (
    SELECT FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.kind = 'timeout' AND r.source_id IS NOT NULL
      AND r.due_at > statement_timestamp() AND r.due_at <= statement_timestamp() + interval '1 hour'
    ORDER BY r.due_at LIMIT 10001) AS expiring) AS approvals_expiring,
  (SELECT count(*) FROM (
    SELECT FROM resumer.outbox o WHERE o.state = 'pending' AND o.kind = 'notify' ORDER BY o.next_at LIMIT 10001) AS pending) AS pending,
  (SELECT count(*) FROM (SELECT FROM resumer.outbox o WHERE o.state = 'dead' ORDER BY o.created_at LIMIT 10001) AS dead) AS dead,
  (SELECT count(*) FROM (
    SELECT FROM resumer.leases l WHERE l.lease_until IS NOT NULL ORDER BY l.lease_until LIMIT 10001) AS held) AS leases_held,
  (current_setting('synchronous_standby_names') <> '' AND NOT EXISTS (SELECT FROM pg_stat_replication))
    OR EXISTS (
      SELECT FROM pg_stat_activity a
      WHERE a.wait_event = 'SyncRep' AND a.state_change < clock_timestamp() - interval '3 seconds') AS commits_hang,
  pg_notification_queue_usage() AS notification_queue_usage,
  (SELECT s.n_dead_tup FROM pg_stat_user_tables s
   WHERE s.relid = 'resumer.resume_requests'::regclass) AS resume_requests,
  (SELECT s.n_dead_tup FROM pg_stat_user_tables s WHERE s.relid = 'resumer.pauses'::regclass) AS pauses,
  (SELECT s.n_dead_tup FROM pg_stat_user_tables s WHERE s.relid = 'resumer.leases'::regclass) AS leases,
  (pg_snapshot_xmax(pg_current_snapshot())::text::bigint
   - pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS oldest_transaction_age_xids
