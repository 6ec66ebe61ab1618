-- The approvals of the claimed executions as they stand now, oldest first, and one more than a turn may have. `expires_at` has no zone and may be
-- infinite or beyond what a timestamptz holds: what no clock will reach counts as never. `objection`: why an approval must
-- not count, where somebody asked to look; its time is when the trigger saw it, for who writes it may write any. `traceparent` names
-- the trace that the decision belongs to.
SELECT
  a.id,
  a.execution_id,
  a.request_id,
  a.status,
  a.approver_id,
  a.approver_role,
  a.decision_reason,
  CASE WHEN a.decided_at < '9999-01-01' AND a.decided_at > '0001-01-01'
    THEN to_char(a.decided_at AT TIME ZONE %(timezone)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  END AS decided_at,
  coalesce(a.expires_at <= statement_timestamp() AT TIME ZONE %(timezone)s, false) AS expired,
  CASE WHEN a.expires_at < '9999-01-01'
    THEN (greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s)::text
  END AS expires_at,
  CASE WHEN a.status = 'approved' AND (SELECT c.decision_guard FROM resumer.control c) <> 'off' THEN resumer.objection(
    a.approver_id,
    a.requester_id, --? requester
    NULL, --? no_requester
    coalesce(
      -- by a map: the requests of an execution have no index by their approval, and there may be thousands of both
      ((SELECT jsonb_object_agg(s.source_id, s.seen_at) FROM (
          SELECT r.source_id, max(r.requested_at) AS seen_at FROM resumer.requests r
          WHERE r.execution_id = ANY (current_setting('resumer.claimed')::uuid[]) AND r.kind = 'approval'
            AND r.decision = 'approved' AND r.source_id IS NOT NULL
          GROUP BY r.source_id) AS s) ->> a.id::text)::timestamptz,
      CASE WHEN a.decided_at < '9999-01-01' AND a.decided_at > '0001-01-01' THEN a.decided_at AT TIME ZONE %(timezone)s END),
    CASE WHEN a.expires_at < '9999-01-01' THEN greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s END,
    a.organization_id, (SELECT e.organization_id FROM workflow_executions e WHERE e.id = a.execution_id) --? organization
    NULL, NULL --? no_organization
  ) END AS objection,
  a.metadata ->> 'traceparent' AS traceparent --? approval_metadata
  NULL AS traceparent --? no_approval_metadata
FROM approval_requests a
WHERE a.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
  -- one that was moved here after it was applied elsewhere counts nowhere
  AND (a.status = 'pending' OR coalesce((
    SELECT r.execution_id FROM resumer.settled_requests r
    WHERE r.source_id = a.id AND r.kind = 'approval' AND r.outcome = 'applied'), a.execution_id) = a.execution_id)
ORDER BY a.requested_at, a.id
LIMIT 20001
