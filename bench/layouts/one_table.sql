-- Requests and ledger in one table: what is settled is updated. It leaves the index of open requests because a predicate
-- names `outcome`, and for that reason no update is HOT.
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
  outcome text,
  finished_at timestamptz,
  organization_id uuid
) WITH (fillfactor = 70, autovacuum_enabled = off);
CREATE INDEX requests_open ON requests (due_at, id) WHERE outcome IS NULL;
CREATE INDEX requests_execution ON requests (execution_id);
CREATE UNIQUE INDEX requests_applied_once ON requests (source_id) WHERE kind = 'approval' AND outcome = 'applied';
CREATE INDEX requests_held ON requests (execution_id) WHERE outcome = 'held';
CREATE INDEX requests_organization ON requests (organization_id, id) WHERE organization_id IS NOT NULL AND kind <> 'adopt';
