-- Create the approvals that steps ask for, in the transaction that records the step.
INSERT INTO approval_requests (
  organization_id, --? organization
  id, request_id, execution_id, entity_type, entity_id, approver_role, approver_id, status, reason, requested_at,
  requester_id, --? requester
  expires_at
)
SELECT
  v.organization_id, --? organization
  v.id, v.request_id, v.execution_id, pg_catalog.left(v.entity_type, 100), pg_catalog.left(v.entity_id, 255), pg_catalog.left(v.approver_role, 100),
  v.approver_id, 'pending', v.reason, pg_catalog.clock_timestamp() AT TIME ZONE %(timezone)s,
  v.requester_id, --? requester
  v.expires_at AT TIME ZONE %(timezone)s
FROM unnest(
    %(execution_ids)s::uuid[], %(organizations)s::uuid[], %(ids)s::uuid[], %(request_ids)s::text[],
    %(entity_types)s::text[], %(entity_ids)s::text[], %(roles)s::text[], %(approvers)s::uuid[], %(reasons)s::text[],
    %(expiries)s::timestamptz[], %(requesters)s::uuid[]
  ) AS v (
    execution_id, organization_id, id, request_id, entity_type, entity_id, approver_role, approver_id, reason, expires_at,
    requester_id)
