-- What the claimed executions are, with the open pause of each. Documents come as text: one that cannot be read
-- stops its own execution and no other. `now` is the time that all deadlines are counted from. LATERAL with an order and
-- a LIMIT is a lookup by key, whenever the plan was made. A document that is larger than the settings allow is not sent:
-- `too_large` tells of it. Nor is it made a text where that could only be larger still: numbers take six times as much
-- when they are stored.
SELECT
  e.id,
  e.execution_id AS key,
  e.workflow_id,
  (SELECT w.workflow_id FROM workflows w WHERE w.id = e.workflow_id) AS workflow_key,
  e.status,
  CASE WHEN d.too_large IS NULL THEN d.context END AS context,
  CASE WHEN d.too_large IS NULL THEN d.resume_data END AS resume_data,
  CASE WHEN d.too_large IS NULL THEN d.trigger_payload END AS trigger_payload,
  d.too_large,
  e.organization_id, --? organization
  NULL::uuid AS organization_id, --? no_organization
  e.paused_step_id, e.next_step_id, --? pointers
  NULL AS paused_step_id, NULL AS next_step_id, --? no_pointers
  e.paused_reason,
  p.number AS pause_number,
  p.reason AS pause_reason,
  p.step_id AS pause_step,
  p.ways::text AS ways,
  p.waiting::text AS waiting,
  p.state::text AS state,
  p.definition,
  p.incident ->> 'reason' AS reason_before,
  p.held ->> 'before' AS held_before,
  -- a release waits for us and then lets go what we keep; where it was quicker, we could not lock the hold, and it is none
  CASE WHEN EXISTS (SELECT FROM resumer.holds h WHERE h.released_at IS NULL) THEN (
    SELECT jsonb_build_object('actor', h.actor, 'reason', h.reason, 'number', h.id)::text
    FROM resumer.hold_of(e.id) AS h WHERE h.id = ANY (current_setting('resumer.holds')::bigint[])) END AS hold,
  coalesce(p.incident ->> 'cause' = 'pause_without_pointer' AND p.state IS NULL, false) AS lost,
  p.asked,
  p.earlier,
  CASE WHEN e.status = 'completed' AND e.result = 'blocked' AND p.number IS NULL THEN
    (SELECT c.adopt_blocked
      AND (SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) IS NULL
      -- a person asked; or the end was recent when a trigger or the reconciler asked to look, else it is imported history; or
      -- the trigger was off, and a decision is the first that we hear of an end since the installation
      AND (SELECT count(*) FILTER (WHERE r.kind = 'start') = 0 AND count(*) FILTER (WHERE
          (r.kind = 'adopt' AND r.decision IS NULL AND r.actor IS NOT NULL)
          OR (r.kind IN ('adopt', 'approval')
            AND coalesce(e.completed_at, e.started_at) >= (r.requested_at - c.adopt_within) AT TIME ZONE %(timezone)s
            AND (r.kind = 'adopt' OR coalesce(e.completed_at, e.started_at) >= c.installed_at AT TIME ZONE %(timezone)s))) > 0
        FROM resumer.requests r WHERE r.execution_id = e.id)
      FROM resumer.control c)
  ELSE false END AS blocked_by_service,
  CASE WHEN p.number IS NULL THEN (
    SELECT max(o.number) FROM resumer.pauses o WHERE o.execution_id = e.id) END AS last_pause,
  CASE WHEN e.status = 'paused' AND p.state IS NULL THEN (
    SELECT array_agg(used) FROM resumer.pauses o, unnest(o.asked) AS used WHERE o.execution_id = e.id) END AS used,
  -- the clock of its steps: they begin after the pause that ends with them, even where the server's clock went back
  p.paused_at,
  -- what was left, when it paused, of the time that another program gave it
  CASE WHEN p.state IS NULL AND isfinite(e.timeout_at) AND isfinite(coalesce(e.paused_at, e.completed_at)) --? timeout_at
    THEN extract(epoch FROM e.timeout_at - coalesce(e.paused_at, e.completed_at))::float8 END AS time_left, --? timeout_at
  NULL::float8 AS time_left, --? no_timeout_at
  extract(epoch FROM clock_timestamp())::float8 AS now
FROM workflow_executions e
LEFT JOIN LATERAL (
  SELECT * FROM resumer.pauses o WHERE o.execution_id = e.id AND o.resumed_at IS NULL
  ORDER BY o.number LIMIT 1) AS p ON true
CROSS JOIN (SELECT coalesce((SELECT c.document_bytes FROM resumer.control c), 8388608) AS bytes) AS l
CROSS JOIN LATERAL (
  SELECT t.*, CASE
    WHEN pg_column_size(e.context) > 8 * l.bytes OR octet_length(t.context) > l.bytes + 65536
      THEN 'context: ' || coalesce(octet_length(t.context), pg_column_size(e.context))
    WHEN pg_column_size(e.resume_data) > 8 * l.bytes OR octet_length(t.resume_data) > l.bytes + 65536
      THEN 'resume_data: ' || coalesce(octet_length(t.resume_data), pg_column_size(e.resume_data))
    WHEN octet_length(t.trigger_payload) > l.bytes THEN 'trigger_payload: ' || octet_length(t.trigger_payload)
    WHEN t.unread THEN 'trigger_payload: ' || pg_column_size(e.trigger_payload)
  END || ' bytes, at most ' || l.bytes AS too_large
  FROM (
    SELECT
      CASE WHEN pg_column_size(e.context) <= 8 * l.bytes THEN e.context::text END AS context,
      CASE WHEN pg_column_size(e.resume_data) <= 8 * l.bytes THEN e.resume_data::text END AS resume_data,
      CASE WHEN (e.context IS NULL OR e.status = 'pending') AND pg_column_size(e.trigger_payload) <= 8 * l.bytes
        THEN e.trigger_payload::text END AS trigger_payload,
      (e.context IS NULL OR e.status = 'pending') AND pg_column_size(e.trigger_payload) > 8 * l.bytes AS unread
    OFFSET 0) AS t
) AS d
WHERE e.id = ANY (current_setting('resumer.claimed')::uuid[])
