-- Register a daemon process, and record that it is alive.
-- Run by store/instances.py.

-- name: register
-- A daemon process says that it is there, and for how long it may be silent while it holds leases; it sets the facts
-- that triggers and functions read, and forgets who died long ago.
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
-- A daemon process says that it is gone, and that others should look.
DELETE FROM resumer.instances WHERE id = %(id)s

-- name: disable_timeouts
-- A beat lasts as long as it must, whatever the role imposes; one that hangs is told by our own clock. A beat that a crash of
-- the server loses is repeated, so its commit waits for no flush and no standby.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', '0', true),
  pg_catalog.set_config('synchronous_commit', 'off', true)

-- name: heartbeat
-- A daemon that holds leases lives. Zero rows: somebody has called it dead.
UPDATE resumer.instances SET heartbeat_at = clock_timestamp() WHERE id = %(id)s AND NOT dead
