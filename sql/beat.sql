-- A daemon that holds leases lives. Zero rows: somebody has called it dead.
UPDATE resumer.instances SET heartbeat_at = clock_timestamp() WHERE id = %(id)s AND NOT dead
