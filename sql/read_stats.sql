-- How it goes, in numbers: what stands where, what is late, what was settled in the last hour, and who works.
SELECT jsonb_build_object(
  'executions', (
    SELECT coalesce(jsonb_object_agg(s.status, s.number), '{}') FROM (
      SELECT e.status, count(*) AS number FROM workflow_executions e
      WHERE e.status IN ('pending', 'running', 'waiting', 'paused') GROUP BY e.status) AS s),
  'paused', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('reason', s.reason, 'number', s.number, 'oldest', s.oldest) ORDER BY s.reason), '[]')
    FROM (
      SELECT p.reason, count(*) AS number, min(p.paused_at) AS oldest FROM resumer.pauses p
      WHERE p.resumed_at IS NULL GROUP BY p.reason) AS s),
  'lag', (
    SELECT jsonb_build_object('number', count(*), 'oldest', min(l.due_at)) FROM (
      SELECT o.due_at FROM resumer.lag o ORDER BY o.due_at LIMIT 10001) AS l),
  'last_hour', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', s.kind, 'outcome', s.outcome, 'number', s.number,
      'median_seconds', s.median) ORDER BY s.kind, s.outcome), '[]')
    FROM (
      SELECT r.kind, r.outcome, count(*) AS number,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.finished_at - r.requested_at)) AS median
      FROM (SELECT o.* FROM resumer.settled_requests o ORDER BY o.id DESC LIMIT 100000) AS r
      WHERE r.finished_at > clock_timestamp() - interval '1 hour' AND r.kind <> 'adopt' GROUP BY r.kind, r.outcome) AS s),
  'holds', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('workflow', coalesce(h.workflow_id, '*'), 'actor', h.actor,
      'reason', h.reason, 'held_at', h.held_at, 'until', h.until) ORDER BY h.id), '[]')
    FROM resumer.holds h WHERE h.released_at IS NULL),
  'leases', (SELECT count(*) FROM resumer.leases l WHERE l.lease_until IS NOT NULL),
  'messages', (
    SELECT coalesce(jsonb_object_agg(s.state, s.number), '{}') FROM (
      SELECT o.state, count(*) AS number FROM resumer.outbox o WHERE o.state <> 'delivered' GROUP BY o.state) AS s),
  'daemons', least( -- a pooler may show the name of one on several backends, and who was killed has not said good-bye
    (SELECT count(*) FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.application_name = 'resumer-worker'),
    (SELECT count(*) FROM resumer.instances i WHERE NOT i.dead)))::text AS stats
