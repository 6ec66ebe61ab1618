-- How much of the inbox and of the pauses is dead rows, and when that was last cleaned.
SELECT s.relname::text AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
  greatest(s.last_vacuum, s.last_autovacuum)::text AS cleaned
FROM pg_stat_all_tables s
WHERE s.schemaname = 'resumer' AND s.relname IN ('resume_requests', 'event_queue', 'pauses', 'leases', 'control', 'outbox')
ORDER BY 1
