-- Requests and ledger apart: what is settled is deleted from the one and inserted into the other.
CREATE TABLE requests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution_id uuid,
  kind text NOT NULL,
  source_id uuid,
  decision text,
  pause_number integer,
  payload jsonb,
  actor text,
  reason text,
  due_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  requested_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  outcome text
) WITH (autovacuum_enabled = off);
CREATE INDEX requests_open ON requests (due_at, id) WHERE outcome IS NULL;
CREATE INDEX requests_execution ON requests (execution_id);
CREATE INDEX requests_held ON requests (execution_id) WHERE outcome = 'held';

CREATE TABLE ledger (
  id bigint PRIMARY KEY,
  execution_id uuid,
  kind text NOT NULL,
  source_id uuid,
  decision text,
  pause_number integer,
  payload jsonb,
  actor text,
  reason text,
  due_at timestamptz NOT NULL,
  requested_at timestamptz NOT NULL,
  outcome text NOT NULL,
  finished_at timestamptz NOT NULL,
  organization_id uuid
) WITH (autovacuum_enabled = off);
CREATE INDEX ledger_execution ON ledger (execution_id);
CREATE UNIQUE INDEX ledger_applied_once ON ledger (source_id) WHERE kind = 'approval' AND outcome = 'applied';
CREATE INDEX ledger_organization ON ledger (organization_id, id) WHERE organization_id IS NOT NULL AND kind <> 'adopt';
