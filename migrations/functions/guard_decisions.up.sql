-- The decision guard: who may approve, if RESUMER_DECISION_GUARD is `audit` or `enforce`.
--
-- With `audit` the daemon checks approvals (claim.read_approvals). With `enforce` a trigger also rejects the write. It is the only
-- trigger that may fail a writer. It exists but is disabled, and costs nothing, until `migrate up` runs with that setting.
-- `triggers/approval_requests` calls it. Only approvals are checked, because a rejection or expiry lets nothing pass. A role with
-- write access to the table can write any `approver_id`. The database cannot detect that. Locks: none.

-- Return why an approval must not count, or NULL. `organization` is that of its execution.
CREATE OR REPLACE FUNCTION resumer.guard_violation(
  approver uuid, requester uuid, decided_at timestamptz, expires_at timestamptz, organization uuid, of_execution uuid
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $f$
  SELECT CASE
    WHEN approver IS NULL THEN 'missing_approver'
    WHEN approver = requester THEN 'self_approval'
    WHEN decided_at > expires_at THEN 'after_expiry'
    WHEN organization <> of_execution THEN 'wrong_organization'
  END
$f$;

CREATE OR REPLACE FUNCTION resumer.on_approval_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, resumer, pg_temp SET lock_timeout = '100ms'
AS $f$
DECLARE
  written jsonb;
  was jsonb;
  of_execution uuid;
  violation text;
BEGIN
  BEGIN -- by documents: one vintage has organisations and requesters, the other has not, and types may change
    written := to_jsonb(new);
    IF written ->> 'status' IS DISTINCT FROM 'approved' THEN
      RETURN new;
    ELSIF TG_OP = 'UPDATE' THEN
      was := to_jsonb(old);
      IF was ->> 'status' = 'approved' AND was -> 'approver_id' = written -> 'approver_id' THEN
        RETURN new; -- it was so already
      END IF;
    END IF;
    IF written ->> 'organization_id' IS NOT NULL THEN
      SELECT e.organization_id INTO of_execution FROM service_schema.workflow_executions e
      WHERE e.id = (written ->> 'execution_id')::uuid;
    END IF;
    violation := resumer.guard_violation(
      (written ->> 'approver_id')::uuid, (written ->> 'requester_id')::uuid, resumer.service_now() AT TIME ZONE 'UTC',
      (written ->> 'expires_at')::timestamp AT TIME ZONE 'UTC', (written ->> 'organization_id')::uuid, of_execution);
  EXCEPTION WHEN serialization_failure THEN RAISE; WHEN OTHERS THEN
    RAISE WARNING 'resumer: %, left to the daemon', SQLERRM USING ERRCODE = SQLSTATE;
  END;
  IF violation IS NOT NULL THEN
    RAISE EXCEPTION 'approval request % cannot be approved: %', resumer.quoted(written ->> 'request_id'), replace(violation, '_', ' ')
      USING ERRCODE = 'RZ403', HINT = 'RESUMER_DECISION_GUARD is enforce: name an approver other than the requester, in time';
  END IF;
  RETURN new;
END
$f$;

REVOKE ALL ON FUNCTION resumer.guard_violation(uuid, uuid, timestamptz, timestamptz, uuid, uuid),
  resumer.on_approval_guard() FROM PUBLIC;
