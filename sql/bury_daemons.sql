-- Call daemons dead, and end what the dead hold. Who holds leases, and has neither beaten nor recorded one that it still holds
-- for as long as it said, is dead; who holds none may be silent for ever. Only where we are `sure`, for after an outage
-- everybody has been silent. What stands in line has no holder and is past, so it is not read. What somebody is writing at
-- this moment is left for the next look.
WITH holders AS MATERIALIZED (
  SELECT l.instance, max(l.recorded_at) AS recorded_at
  FROM resumer.leases l
  WHERE l.lease_until > statement_timestamp() AND l.instance IS NOT NULL
  GROUP BY l.instance
), died AS (
  UPDATE resumer.instances i SET dead = true
  FROM holders h
  WHERE i.id = h.instance AND %(sure)s AND NOT i.dead
    AND greatest(i.heartbeat_at, h.recorded_at) < statement_timestamp() - i.silence
  RETURNING i.id
), dead AS MATERIALIZED (
  SELECT d.id FROM died d
  UNION
  SELECT i.id FROM holders h CROSS JOIN LATERAL (SELECT * FROM resumer.instances o WHERE o.id = h.instance OFFSET 0) AS i WHERE i.dead
), freed AS (
  UPDATE resumer.leases l SET lease_until = clock_timestamp()
  WHERE l.execution_id = ANY (ARRAY(
    SELECT o.execution_id FROM resumer.leases o
    WHERE o.lease_until > statement_timestamp() AND o.instance IN (SELECT d.id FROM dead d)
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF o SKIP LOCKED))
  RETURNING 1
)
SELECT ARRAY(SELECT d.id FROM died d) AS dead, (SELECT count(*) FROM freed) AS freed
