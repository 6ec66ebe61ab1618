-- The views `inbox`, `lag`, `ledger` and `incidents`, for people and programs.
--
-- A function that reads an execution is in the list of columns, beside nothing volatile, so that it is called only for selected
-- columns and for the rows that a LIMIT leaves. Rows come by index in the order of `paused_at` or `request`.
-- Locks: none on the service's tables.

-- Paused executions and their wait conditions. Of several branches, the one that has waited longest is shown.
CREATE OR REPLACE VIEW resumer.inbox AS
SELECT p.execution_id, (resumer.execution_summary(p.execution_id)).execution_key, (resumer.execution_summary(p.execution_id)).workflow,
  p.organization_id, p.number AS pause_number, p.reason, p.step_id,
  p.paused_at, statement_timestamp() - p.paused_at AS age, resumer.waiting_for(resumer.longest_branch_of(p)) AS waiting_for
FROM resumer.pauses p
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
  statement_timestamp() - r.due_at AS age
FROM resumer.resume_requests r
WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp();

-- Decisions, and all else that people and clocks asked for, with what became of each.
CREATE OR REPLACE VIEW resumer.ledger AS
SELECT r.id AS request, r.execution_id, (resumer.execution_summary(r.execution_id)).execution_key,
  (resumer.execution_summary(r.execution_id)).workflow, r.organization_id, r.kind, r.decision, r.source_id,
  r.pause_number, r.actor, r.reason, r.requested_at, r.outcome, r.finished_at, r.finished_at - r.requested_at AS took
FROM resumer.requests r
WHERE r.outcome IS NOT NULL AND r.kind <> 'adopt';

-- What waits for a person because the daemon must not decide it.
CREATE OR REPLACE VIEW resumer.incidents AS
SELECT p.execution_id, (resumer.execution_summary(p.execution_id)).execution_key, (resumer.execution_summary(p.execution_id)).workflow,
  p.organization_id, p.number AS pause_number, p.step_id,
  p.incident ->> 'cause' AS cause, p.incident ->> 'detail' AS detail, p.incident ->> 'remedy' AS remedy,
  p.incident ->> 'reason' AS over, p.paused_at, statement_timestamp() - p.paused_at AS age
FROM resumer.pauses p
WHERE p.resumed_at IS NULL AND p.reason = 'incident';

-- Pages for programs: what a view has, in its order, behind the last row of the page before.

CREATE OR REPLACE FUNCTION resumer.inbox_page(
  after_paused_at timestamptz DEFAULT '-infinity', after_execution uuid DEFAULT '00000000-0000-0000-0000-000000000000',
  page_size integer DEFAULT 100
) RETURNS SETOF resumer.inbox
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
BEGIN
  RETURN QUERY SELECT i.* FROM resumer.inbox i
  WHERE (i.paused_at, i.execution_id) > (inbox_page.after_paused_at, inbox_page.after_execution)
  ORDER BY i.paused_at, i.execution_id LIMIT inbox_page.page_size;
END
$f$;

CREATE OR REPLACE FUNCTION resumer.ledger_page(
  before_request bigint DEFAULT 9223372036854775807, page_size integer DEFAULT 100
) RETURNS SETOF resumer.ledger
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
BEGIN
  RETURN QUERY SELECT l.* FROM resumer.ledger l
  WHERE l.request < ledger_page.before_request ORDER BY l.request DESC LIMIT ledger_page.page_size;
END
$f$;

REVOKE ALL ON FUNCTION resumer.inbox_page(timestamptz, uuid, integer), resumer.ledger_page(bigint, integer) FROM PUBLIC;
