-- A slice of the executions by key: ask for a look at what another program wrote while no trigger fired. A pause without a
-- record of ours; and, once for each, a recent end as blocked since the installation, where an approval was asked for and there
-- was no pause. A request that a trigger left before the end says nothing about it. What ended earlier may be imported history.
-- The slice is counted before the status is compared, because no index of the service has the status and the key.
WITH times AS MATERIALIZED (
  SELECT GREATEST(c.installed_at, statement_timestamp() - c.adopt_within) AT TIME ZONE %(timezone)s AS earliest
  FROM resumer.control c WHERE c.adopt_blocked
), slice AS MATERIALIZED (
  SELECT e.id, e.status::text AS status, e.result::text AS result, coalesce(e.completed_at, e.started_at) AS ended
  FROM workflow_executions e
  WHERE e.id > %(after)s
  ORDER BY e.id
  LIMIT %(limit)s
), unrecorded AS MATERIALIZED (
  SELECT s.id FROM slice s
  WHERE s.status = 'paused'
    -- coalesce: a partial index that fits by its predicate alone would be read as a whole, should the plan be made on empty tables
    AND (SELECT max(p.number) FROM resumer.pauses p
         WHERE p.execution_id = s.id AND coalesce(p.resumed_at, 'infinity') = 'infinity') IS NULL
    AND (SELECT count(*) FROM resumer.resume_requests r
         WHERE r.execution_id = s.id AND r.kind = 'adopt' AND coalesce(r.outcome::text, '') = '') = 0
), blocked AS MATERIALIZED (
  SELECT s.id FROM times t CROSS JOIN slice s
  WHERE s.status = 'completed' AND s.result = 'blocked' AND s.ended >= t.earliest
    AND (SELECT max(p.number) FROM resumer.pauses p WHERE p.execution_id = s.id) IS NULL
    AND (SELECT count(*) FROM resumer.requests r
         WHERE r.execution_id = s.id AND (r.kind = 'start' OR (r.kind = 'adopt' AND r.decision = 'missed'))) = 0
    AND (SELECT count(*) FROM approval_requests a WHERE a.execution_id = s.id) > 0
), asked AS (
  INSERT INTO resumer.resume_requests (execution_id, kind, decision)
  SELECT u.id, 'adopt', NULL FROM unrecorded u
  UNION ALL
  SELECT b.id, 'adopt', 'missed' FROM blocked b
)
SELECT (SELECT count(*) FROM unrecorded) AS foreign_pause, (SELECT count(*) FROM blocked) AS blocked,
  (SELECT count(*) FROM slice) = %(limit)s AS more,
  (SELECT s.id FROM slice s ORDER BY s.id DESC LIMIT 1) AS after
