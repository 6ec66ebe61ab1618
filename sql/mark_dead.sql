-- Who holds leases, and has neither beaten nor recorded a lease for as long as it said, is dead. Who holds none may be
-- silent for ever.
UPDATE resumer.instances i SET dead = true
WHERE NOT i.dead AND i.heartbeat_at < clock_timestamp() - i.silence
  AND EXISTS (SELECT FROM resumer.leases l WHERE l.instance = i.id AND l.lease_until > clock_timestamp())
  AND NOT EXISTS (
    SELECT FROM resumer.leases l
    WHERE l.instance = i.id AND l.lease_until IS NOT NULL AND l.recorded_at > clock_timestamp() - i.silence)
RETURNING i.id
