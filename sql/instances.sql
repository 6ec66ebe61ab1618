-- Register a daemon process, and record that it is alive.
-- Run by store/instances.py.

-- name: register
-- Register a daemon process, with the seconds without a heartbeat after which it counts as dead while it holds
-- leases. Write the settings that triggers and functions read. Delete instances that died long ago.
WITH settings AS (
  UPDATE resumer.control
  SET notify = %(notify)s, service_timezone = %(timezone)s, decision_guard = %(guard)s, closed_status = %(closed)s,
    document_bytes = %(document_bytes)s,
    event_capture = %(event_capture)s, adopt_within = make_interval(secs => %(adopt_within)s)
  WHERE (notify, service_timezone, decision_guard, closed_status, document_bytes, event_capture, adopt_within)
    IS DISTINCT FROM (%(notify)s, %(timezone)s, %(guard)s, %(closed)s, %(document_bytes)s, %(event_capture)s,
      make_interval(secs => %(adopt_within)s))
), forgotten AS (
  DELETE FROM resumer.instances WHERE dead AND heartbeat_at < clock_timestamp() - interval '7 days'
)
INSERT INTO resumer.instances (id, host, version, silence, state_version)
VALUES (%(id)s, %(host)s, %(version)s, make_interval(secs => %(silence)s), %(state_version)s)

-- name: delete
-- Delete a daemon process that stops, and notify the others.
DELETE FROM resumer.instances WHERE id = %(id)s

-- name: disable_timeouts
-- Disable timeouts for a heartbeat, whatever the role imposes: the daemon's own clock detects one that hangs. A
-- heartbeat that a server crash loses is repeated, so the commit waits for no flush and no standby.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', '0', true),
  pg_catalog.set_config('synchronous_commit', 'off', true)

-- name: heartbeat
-- Record a heartbeat of a daemon that holds leases. Zero rows: another daemon has declared it dead.
UPDATE resumer.instances SET heartbeat_at = clock_timestamp() WHERE id = %(id)s AND NOT dead
