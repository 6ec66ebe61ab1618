-- The approvals of the claimed executions as they stand now, oldest first. `expires_at` has no zone and may be
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
      (SELECT max(r.requested_at) FROM resumer.resume_requests r
       WHERE r.execution_id = a.execution_id AND r.source_id = a.id AND r.kind = 'approval' AND r.decision = 'approved'),
      CASE WHEN a.decided_at < '9999-01-01' AND a.decided_at > '0001-01-01' THEN a.decided_at AT TIME ZONE %(timezone)s END),
    CASE WHEN a.expires_at < '9999-01-01' THEN greatest(a.expires_at, '0001-01-01') AT TIME ZONE %(timezone)s END,
    a.organization_id, (SELECT e.organization_id FROM workflow_executions e WHERE e.id = a.execution_id) --? organization
    NULL, NULL --? no_organization
  ) END AS objection,
  a.metadata ->> 'traceparent' AS traceparent --? approval_metadata
  NULL AS traceparent --? no_approval_metadata
FROM approval_requests a
WHERE a.execution_id = ANY (current_setting('resumer.claimed')::uuid[])
ORDER BY a.requested_at, a.id
