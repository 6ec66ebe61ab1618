-- The daemon's own tables. Times are `timestamptz`; no foreign key leads to the service's tables, whose rows may
-- vanish at any time. Who may write what: outcomes, pauses and leases are written only by the transaction that holds
-- the lock of the execution's row; triggers and functions only insert requests.

-- Domains, and not checks of the table, which every statement would read anew: 14 of the 20 us of inserting a row.
CREATE DOMAIN resumer.request_kind AS text CHECK (VALUE IN
  ('approval', 'event', 'timeout', 'manual', 'start', 'retry', 'pause', 'cancel', 'adopt'));
CREATE DOMAIN resumer.request_outcome AS text CHECK (VALUE IN
  ('applied', 'superseded', 'late', 'too_late', 'duplicate', 'orphan', 'vanished', 'unrecognised', 'held', 'failed'));

-- One reason to move an execution, and what became of it. The settled rows are the decision ledger.
CREATE TABLE resumer.resume_requests (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  execution_id uuid,
  kind resumer.request_kind NOT NULL,
  source_id uuid,
  decision text,
  pause_number integer,
  payload jsonb,
  actor text,
  reason text,
  -- a start of the statement, not of the transaction: a writer may hold its transaction open
  due_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  requested_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  outcome resumer.request_outcome,
  finished_at timestamptz,
  -- written with the outcome, and not by triggers: whoever writes a decision does not pay for the lists of others
  organization_id uuid
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);

-- What the claim walks; nothing settled is in it.
CREATE INDEX requests_open ON resumer.resume_requests (due_at, id) WHERE outcome IS NULL;
-- What the holder of an execution's lock reads and settles.
CREATE INDEX requests_execution ON resumer.resume_requests (execution_id);
-- A decision is consumed once. Only settling meets this and the next; an insert of a trigger never does.
CREATE UNIQUE INDEX requests_applied_once ON resumer.resume_requests (source_id)
  WHERE kind = 'approval' AND outcome = 'applied';
CREATE INDEX requests_held ON resumer.resume_requests (execution_id) WHERE outcome = 'held';
-- The ledger of one organisation, newest first, whatever stands beside it. Only settling meets this.
CREATE INDEX requests_organization ON resumer.resume_requests (organization_id, id)
  WHERE organization_id IS NOT NULL AND kind <> 'adopt';
-- Events have no execution; only their inserts meet these.
CREATE INDEX requests_events ON resumer.resume_requests (requested_at) WHERE kind = 'event' AND execution_id IS NULL;
CREATE INDEX requests_event_source ON resumer.resume_requests (source_id) WHERE kind = 'event' AND execution_id IS NULL;
CREATE INDEX requests_events_open ON resumer.resume_requests (id)
  WHERE kind = 'event' AND execution_id IS NULL AND outcome IS NULL;

-- One pause of one execution: where it stands, why, and what it waits for. The pointer of record.
CREATE TABLE resumer.pauses (
  execution_id uuid NOT NULL,
  number integer NOT NULL,
  reason text NOT NULL,
  step_id text,
  ways jsonb NOT NULL DEFAULT '{}',
  waiting jsonb NOT NULL DEFAULT '{}',
  state jsonb,
  definition text,
  -- cause, detail, remedy, and the reason that the pause had before
  incident jsonb,
  -- where a person holds it: actor, reason, since, and the reason that the pause had before
  held jsonb,
  asked uuid[] NOT NULL DEFAULT '{}',
  earlier uuid[] NOT NULL DEFAULT '{}',
  paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  resumed_at timestamptz,
  resumed_by text,
  organization_id uuid,
  PRIMARY KEY (execution_id, number)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX pauses_one_open ON resumer.pauses (execution_id) WHERE resumed_at IS NULL;
CREATE INDEX pauses_open_reason ON resumer.pauses (reason, paused_at) WHERE resumed_at IS NULL;
-- The paused of one organisation.
CREATE INDEX pauses_organization ON resumer.pauses (organization_id, reason, paused_at, execution_id)
  WHERE resumed_at IS NULL AND organization_id IS NOT NULL;

-- One execution that is advanced beyond one transaction, with what any daemon needs to go on from there. The epoch only
-- ever grows and survives the release.
CREATE TABLE resumer.leases (
  execution_id uuid PRIMARY KEY,
  instance uuid,
  epoch bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  claims integer NOT NULL DEFAULT 0,
  state jsonb,
  definition text,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE INDEX leases_held ON resumer.leases (lease_until) WHERE lease_until IS NOT NULL;

-- One definition as it was when an execution paused; a pause runs on the copy it was paused with.
CREATE TABLE resumer.definitions (
  sha256 text PRIMARY KEY,
  body jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One daemon process. While it holds leases it beats; when it was silent for as long as it said, it is dead.
CREATE TABLE resumer.instances (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  silence interval NOT NULL,
  -- the newest state of an execution that it understands
  state_version integer NOT NULL DEFAULT 1,
  dead boolean NOT NULL DEFAULT false
);

-- The one row that triggers and functions read: whether to notify, how zone-less times are meant, whether what the service
-- ends as blocked becomes a pause, who may decide, the status of a request that is closed undecided, and since when we are
-- there: what was blocked before is left alone.
CREATE TABLE resumer.control (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  notify text NOT NULL DEFAULT 'auto' CHECK (notify IN ('auto', 'on', 'off')),
  awake_until timestamptz NOT NULL DEFAULT '-infinity',
  service_timezone text NOT NULL DEFAULT 'UTC',
  adopt_blocked boolean NOT NULL DEFAULT true,
  decision_guard text NOT NULL DEFAULT 'off' CHECK (decision_guard IN ('off', 'audit', 'enforce')),
  closed_status text NOT NULL DEFAULT 'expired',
  document_bytes bigint NOT NULL DEFAULT 8388608,
  installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
INSERT INTO resumer.control DEFAULT VALUES;

-- Refuse a document that is larger than the settings allow, before it is written.
CREATE FUNCTION resumer.check_size(document jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, resumer, pg_temp
AS $f$
DECLARE
  allowed bigint := (SELECT c.document_bytes FROM resumer.control c);
  found bigint := octet_length(document::text);
BEGIN
  IF found > allowed THEN
    RAISE EXCEPTION 'the payload has % bytes, at most % are allowed', found, allowed
      USING ERRCODE = 'RZ413', HINT = 'store the document elsewhere and pass a reference to it, or raise RESUMER_DOCUMENT_BYTES';
  END IF;
END
$f$;
REVOKE ALL ON FUNCTION resumer.check_size(jsonb) FROM PUBLIC;
