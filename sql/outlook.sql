-- What is left: due requests that were not claimed (bounded), the seconds until the next one is due, whether events
-- wait to be made requests of, or are to be searched, or leases to be rescued, and the seconds until a notification is due. And whether a
-- daemon is awake, so that writers are silent, for how many seconds; with the transactions that are open, for one of
-- them may have seen it awake. `ahead`: of the newest ids one is a request that waits for no time and is due later: the clock
-- went back.
-- What is in `without` is left to a newer version.
SELECT
  (SELECT count(*) FROM (
    SELECT FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
      AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
      AND (r.execution_id IS NULL OR r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[])))
    LIMIT 1000) AS due) AS due_left,
  (SELECT extract(epoch FROM min(r.due_at) - statement_timestamp())::float8 FROM resumer.resume_requests r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()) AS next_due,
  EXISTS (SELECT FROM resumer.event_queue) AS events,
  EXISTS (
    SELECT FROM resumer.event_types t
    WHERE NOT t.complete AND coalesce(t.mark, 0) <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS searches,
  EXISTS (SELECT FROM resumer.leases l WHERE l.lease_until < clock_timestamp()) AS leases,
  (SELECT extract(epoch FROM min(o.next_at) - clock_timestamp())::float8 FROM resumer.outbox o
   WHERE o.state = 'pending' AND o.kind = 'notify') AS next_message,
  (SELECT extract(epoch FROM least(c.awake_until, clock_timestamp() + interval '1 hour') - clock_timestamp())::float8
   FROM resumer.control c WHERE c.awake_until > clock_timestamp()) AS awake_for,
  EXISTS (
    SELECT FROM resumer.resume_requests r
    WHERE r.id > (SELECT s.last_value FROM resumer.resume_requests_id_seq s) - 100
      AND r.outcome IS NULL AND r.due_at > statement_timestamp() AND r.kind <> 'timeout'
      AND r.decision IS DISTINCT FROM 'again') AS ahead,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest
