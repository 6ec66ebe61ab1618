-- What the dead hold is past from now on. What somebody is writing at this moment is left for the next look.
UPDATE resumer.leases l SET lease_until = clock_timestamp()
WHERE l.execution_id = ANY (ARRAY(
  SELECT h.execution_id FROM resumer.leases h JOIN resumer.instances i ON i.id = h.instance
  WHERE i.dead AND h.lease_until > clock_timestamp()
  FOR NO KEY UPDATE OF h SKIP LOCKED))
