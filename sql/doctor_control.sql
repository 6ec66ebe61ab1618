-- The row that our triggers read, and how many daemons say that they are there.
SELECT c.notify, c.service_timezone, c.decision_guard, c.closed_status, c.document_bytes, c.event_capture, c.adopt_blocked,
  extract(epoch FROM c.adopt_within)::float8 AS adopt_within,
  (SELECT count(*)::integer FROM resumer.instances i WHERE NOT i.dead) AS daemons
FROM resumer.control c
