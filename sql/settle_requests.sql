-- Move requests to the ledger with what became of them, and why where it needs saying. A held one is parked: it stays. The row
-- as it was before a write that the guard could not check (sql/undo_writes.sql) is not kept.
WITH told AS MATERIALIZED (
  SELECT * FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(organizations)s::uuid[])
    AS v (id, outcome, reason, organization)
), held AS (
  UPDATE resumer.resume_requests r SET outcome = 'held', reason = coalesce(v.reason, r.reason),
    organization_id = v.organization
  FROM told v WHERE v.outcome = 'held' AND r.id = v.id
), settled AS (
  DELETE FROM resumer.resume_requests r USING told v WHERE v.outcome <> 'held' AND r.id = v.id
  RETURNING r.*, v.outcome AS became, v.reason AS why, v.organization
)
INSERT INTO resumer.settled_requests (id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason, due_at,
  requested_at, outcome, organization_id)
SELECT s.id, s.execution_id, s.kind, s.source_id, s.decision, s.pause_number,
  CASE WHEN s.kind <> 'adopt' THEN s.payload END, s.actor, coalesce(s.why, s.reason), s.due_at, s.requested_at, s.became,
  s.organization
FROM settled s
