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
