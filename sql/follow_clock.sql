-- The server's clock went back, as after a failover to a host that is behind: what says a time of the old clock is moved to
-- the new one. Only timers wait for a due time; a decision, an event or a person's request that is due later than now was
-- made before. A lease keeps its length; a heartbeat, a message that nobody has tried yet and "awake" count from now.
-- Bounded: behind the first 100,000 timers the next look goes on.
WITH ahead AS MATERIALIZED (
  SELECT r.id, r.kind, r.decision FROM resumer.resume_requests r
  WHERE r.outcome IS NULL AND r.due_at > statement_timestamp()
  ORDER BY r.due_at, r.id
  LIMIT 100000
), leases AS (
  UPDATE resumer.leases l
  SET lease_until = l.lease_until - (l.recorded_at - statement_timestamp()), recorded_at = statement_timestamp()
  WHERE l.lease_until > statement_timestamp() AND l.recorded_at > statement_timestamp() + interval '1 second'
), instances AS (
  UPDATE resumer.instances i SET heartbeat_at = statement_timestamp()
  WHERE i.heartbeat_at > statement_timestamp() + interval '1 second'
), messages AS (
  UPDATE resumer.outbox o SET next_at = statement_timestamp()
  WHERE o.state = 'pending' AND o.kind = 'notify' AND o.attempts = 0 AND o.next_at > statement_timestamp()
), awake AS (
  UPDATE resumer.control c SET awake_until = '-infinity' WHERE c.awake_until > statement_timestamp() + interval '2 seconds'
)
UPDATE resumer.resume_requests r SET due_at = statement_timestamp()
WHERE r.outcome IS NULL AND r.due_at > statement_timestamp() AND r.id = ANY (ARRAY(
  SELECT a.id FROM ahead a WHERE a.kind <> 'timeout' AND a.decision IS DISTINCT FROM 'again'))
