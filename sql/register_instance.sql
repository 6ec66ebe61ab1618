-- A daemon process says that it is there, and sets the facts that triggers and functions read.
WITH settings AS (
  UPDATE resumer.control SET notify = %(notify)s, service_timezone = %(timezone)s, decision_guard = %(guard)s
  WHERE (notify, service_timezone, decision_guard) IS DISTINCT FROM (%(notify)s, %(timezone)s, %(guard)s)
)
INSERT INTO resumer.instances (id, host, version) VALUES (%(id)s, %(host)s, %(version)s)
