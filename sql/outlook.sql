-- What is left, each within bounds: due requests that were not claimed, at most 1,000; the seconds until the next one is due,
-- if it is so within `within` seconds; whether events wait to be made requests of, or are to be searched, or leases to be
-- rescued; the seconds until a notification is due, within the same time. What an old snapshot keeps in an index is not gone
-- through: `back` bounds how long ago what is due became due, `around` does so for leases and notifications, and `after` is the
-- id from which on the queue of events is looked at.
-- And whether a daemon is awake, so that writers are silent, for how many seconds; with the transactions that are open, for one
-- of them may have seen it awake. `ahead`: of the newest ids one is a request that waits for no time and is due later: the
-- clock went back. What is in `without` is left to a newer version.
SELECT
  (SELECT count(*) FROM (
    SELECT FROM resumer.resume_requests r
    WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp()
      AND r.due_at >= statement_timestamp() - make_interval(secs => %(back)s)
      AND (r.execution_id IS NULL OR r.execution_id NOT IN (SELECT unnest(%(without)s::uuid[])))
    ORDER BY r.due_at
    LIMIT 1000) AS due) AS "left",
  (SELECT extract(epoch FROM r.due_at - statement_timestamp())::float8 FROM resumer.resume_requests r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()
     AND r.due_at <= statement_timestamp() + make_interval(secs => %(within)s)
   ORDER BY r.due_at LIMIT 1) AS next_due,
  (SELECT q.id FROM resumer.event_queue q WHERE q.id > %(after)s ORDER BY q.id LIMIT 1) IS NOT NULL AS events,
  (SELECT count(*) FROM resumer.event_types t
   WHERE NOT t.complete AND coalesce(t.mark, 0) <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint) > 0 AS searches,
  (SELECT l.execution_id FROM resumer.leases l
   WHERE l.lease_until < statement_timestamp() AND l.lease_until >= statement_timestamp() - make_interval(secs => %(around)s)
   ORDER BY l.lease_until LIMIT 1) IS NOT NULL AS leases,
  (SELECT extract(epoch FROM o.next_at - statement_timestamp())::float8 FROM resumer.outbox o
   WHERE o.state = 'pending' AND o.kind = 'notify'
     AND o.next_at >= statement_timestamp() - make_interval(secs => %(around)s)
     AND o.next_at <= statement_timestamp() + make_interval(secs => %(within)s)
   ORDER BY o.next_at LIMIT 1) AS next_message,
  (SELECT extract(epoch FROM least(c.awake_until, clock_timestamp() + interval '1 hour') - clock_timestamp())::float8
   FROM resumer.control c WHERE c.awake_until > clock_timestamp()) AS awake_for,
  (SELECT count(*) FROM (
    SELECT * FROM resumer.resume_requests o WHERE o.id > s.last_value - 100 ORDER BY o.id LIMIT 100) AS r
   WHERE r.outcome IS NULL AND r.due_at > statement_timestamp() AND r.kind <> 'timeout'
     AND r.decision IS DISTINCT FROM 'again') > 0 AS ahead,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
  s.last_value AS newest_id,
  extract(epoch FROM clock_timestamp() - statement_timestamp())::float8 AS took
FROM resumer.resume_requests_id_seq s
