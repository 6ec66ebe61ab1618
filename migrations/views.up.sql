-- The views that people and programs read.

-- Paused executions and what they wait for: of several branches, the one that has waited longest.
CREATE OR REPLACE VIEW resumer.inbox AS
SELECT p.execution_id, a.execution_key, a.workflow, p.organization_id, p.number AS pause_number, p.reason, p.step_id,
  p.paused_at, clock_timestamp() - p.paused_at AS age, resumer.waiting_for(resumer.shown_of(p)) AS waiting_for
FROM resumer.pauses p CROSS JOIN LATERAL resumer.about(p.execution_id) AS a
WHERE p.resumed_at IS NULL;

-- All requests: open, parked, and settled. A look by id, execution, source or organisation uses an index of each table.
CREATE OR REPLACE VIEW resumer.requests AS
SELECT r.id, r.execution_id, r.kind, r.source_id, r.decision, r.pause_number, r.payload, r.actor, r.reason, r.due_at,
  r.requested_at, r.outcome, r.organization_id, NULL::timestamptz AS finished_at
FROM resumer.resume_requests r
UNION ALL
SELECT s.id, s.execution_id, s.kind, s.source_id, s.decision, s.pause_number, s.payload, s.actor, s.reason, s.due_at,
  s.requested_at, s.outcome, s.organization_id, s.finished_at
FROM resumer.settled_requests s;

-- Requests that are due and not settled, by age: the daemon's arrears.
CREATE OR REPLACE VIEW resumer.lag AS
SELECT r.id AS request, r.kind, r.execution_id, r.decision, r.actor, r.reason, r.requested_at, r.due_at,
  clock_timestamp() - r.due_at AS age
FROM resumer.resume_requests r
WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp();

-- Decisions, and all else that people and clocks asked for, with what became of each.
CREATE OR REPLACE VIEW resumer.ledger AS
SELECT r.id AS request, r.execution_id, a.execution_key, a.workflow, r.organization_id, r.kind, r.decision, r.source_id,
  r.pause_number, r.actor, r.reason, r.requested_at, r.outcome, r.finished_at, r.finished_at - r.requested_at AS took
FROM resumer.requests r CROSS JOIN LATERAL resumer.about(r.execution_id) AS a
WHERE r.outcome IS NOT NULL AND r.kind <> 'adopt';

-- What waits for a person because the daemon must not decide it.
CREATE OR REPLACE VIEW resumer.incidents AS
SELECT p.execution_id, a.execution_key, a.workflow, p.organization_id, p.number AS pause_number, p.step_id,
  p.incident ->> 'cause' AS cause, p.incident ->> 'detail' AS detail, p.incident ->> 'remedy' AS remedy,
  p.incident ->> 'reason' AS over, p.paused_at, clock_timestamp() - p.paused_at AS age
FROM resumer.pauses p CROSS JOIN LATERAL resumer.about(p.execution_id) AS a
WHERE p.resumed_at IS NULL AND p.reason = 'incident';
