-- SQL API, decisions: `resumer.approve` and `resumer.reject`.
--
-- People call them in psql, `resumer-daemon approve` and `reject` call them too. Each error of the SQL API has a SQLSTATE of class
-- RZ: RZ404 not found, RZ409 wrong state, RZ410 expired, RZ413 too large, RZ422 ambiguous or invalid.
-- Locks: the row of the approval.

-- Write a decision. The table's trigger inserts the request. Returns the id of that request, by which its outcome is found in
-- resumer.requests, or NULL if the trigger is disabled or failed.
CREATE OR REPLACE FUNCTION resumer.decide(request_id text, verdict text, approver uuid, reason text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  approval record;
  now_there timestamp := resumer.service_now();
  newest bigint;
BEGIN
  SELECT a.id, a.status, a.expires_at, a.decision_reason INTO approval FROM approval_requests a
  WHERE a.request_id = decide.request_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no approval request %', resumer.quoted(decide.request_id)
      USING ERRCODE = 'RZ404', HINT = 'SELECT request_id, status FROM approval_requests WHERE status = ''pending''';
  ELSIF approval.status <> 'pending' THEN
    RAISE EXCEPTION 'approval request % is % already%', resumer.quoted(decide.request_id), approval.status,
      coalesce(': ' || approval.decision_reason, '')
      USING ERRCODE = 'RZ409', HINT = 'a decision is consumed once; a later change of it moves nothing';
  ELSIF approval.expires_at <= now_there THEN
    RAISE EXCEPTION 'approval request % expired at %', resumer.quoted(decide.request_id), approval.expires_at
      USING ERRCODE = 'RZ410', HINT = 'request a new approval: the workflow continues as expired';
  END IF;
  -- nobody else decides it meanwhile: its row is locked
  SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO newest FROM resumer.resume_requests_id_seq s;
  PERFORM set_config('search_path', resumer.service_path(), true);
  UPDATE service_schema.approval_requests a
  SET status = verdict, approver_id = coalesce(decide.approver, a.approver_id), decision_reason = decide.reason,
    decided_at = now_there
  WHERE a.id OPERATOR(pg_catalog.=) approval.id;
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true);
  RETURN (
    SELECT max(r.id) FROM resumer.resume_requests r
    WHERE r.id > newest AND r.source_id = approval.id AND r.kind = 'approval');
END
$f$;

CREATE OR REPLACE FUNCTION resumer.approve(request_id text, approver uuid DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.decide(request_id, 'approved', approver, reason) $f$;

CREATE OR REPLACE FUNCTION resumer.reject(request_id text, approver uuid DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp
AS $f$ SELECT resumer.decide(request_id, 'rejected', approver, reason) $f$;

REVOKE ALL ON FUNCTION resumer.decide(text, text, uuid, text), resumer.approve(text, uuid, text),
  resumer.reject(text, uuid, text) FROM PUBLIC;
