-- The daemon's tables, in schema `resumer`.
--
-- The daemon, the triggers and the functions of the SQL API write them. `migrate grants` gives each role the rights that it
-- needs. Outcomes, pauses and leases are written only by a transaction that has locked the execution's row. Triggers and
-- functions only insert requests. Times are `timestamptz`. No foreign key refers to the service's tables, because their rows may
-- be deleted at any time.
-- Locks: no table of the service is touched or locked.

-- Domains instead of checks of the table: every statement would read those again, which took 14 of the 20 us of an insert.
CREATE DOMAIN resumer.request_kind AS text CHECK (VALUE IN
  ('approval', 'event', 'timeout', 'manual', 'start', 'retry', 'pause', 'cancel', 'adopt'));
CREATE DOMAIN resumer.request_outcome AS text CHECK (VALUE IN
  ('applied', 'superseded', 'late', 'too_late', 'duplicate', 'orphan', 'vanished', 'unrecognised', 'held', 'failed'));

-- The queue: one reason to move an execution that has not been settled. `outcome` is NULL, or `held` where it is parked.
-- What is settled is moved to `settled_requests` in the same statement, so the indexes of the queue hold open work alone.
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
  -- written when it is parked, and not by triggers: whoever writes a decision does not pay for the lists of others
  organization_id uuid
  -- vacuum_truncate: to cut off empty pages it would lock out the triggers of the service's tables
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- The claim scans this index.
CREATE INDEX requests_open ON resumer.resume_requests (due_at, id) WHERE outcome IS NULL;
-- The transaction that has locked an execution reads and settles its requests by this index.
CREATE INDEX requests_execution ON resumer.resume_requests (execution_id);
-- Only parking writes this index and the next. An insert by a trigger does not.
CREATE INDEX requests_held ON resumer.resume_requests (id) WHERE outcome IS NOT NULL;
CREATE INDEX requests_organization ON resumer.resume_requests (organization_id, id)
  WHERE organization_id IS NOT NULL AND kind <> 'adopt';

-- The ledger: each settled request with its outcome. Its rows are inserted and never updated. The columns are those of the queue.
CREATE TABLE resumer.settled_requests (
  id bigint PRIMARY KEY,
  execution_id uuid,
  kind resumer.request_kind NOT NULL,
  source_id uuid,
  decision text,
  pause_number integer,
  payload jsonb,
  actor text,
  reason text,
  due_at timestamptz NOT NULL,
  requested_at timestamptz NOT NULL,
  outcome resumer.request_outcome NOT NULL,
  organization_id uuid,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- The requests of one execution, newest first.
CREATE INDEX settled_execution ON resumer.settled_requests (execution_id, id);
-- A decision is applied once.
CREATE UNIQUE INDEX settled_applied_once ON resumer.settled_requests (source_id) WHERE kind = 'approval' AND outcome = 'applied';
-- The ledger of one organization, newest first.
CREATE INDEX settled_organization ON resumer.settled_requests (organization_id, id)
  WHERE organization_id IS NOT NULL AND kind <> 'adopt';

-- One pause of one execution: its step, its reason and its wait condition. This record counts, not the columns of the service.
CREATE TABLE resumer.pauses (
  execution_id uuid NOT NULL,
  number integer NOT NULL,
  reason text NOT NULL,
  step_id text,
  next_steps jsonb NOT NULL DEFAULT '{}',
  waiting jsonb NOT NULL DEFAULT '{}',
  state jsonb,
  definition text,
  -- cause, detail, remedy, and the reason that the pause had before
  incident jsonb,
  -- of a manual pause: actor, reason, since, and the reason that the pause had before
  manual_pause jsonb,
  approval_ids uuid[] NOT NULL DEFAULT '{}',
  prior_approval_ids uuid[] NOT NULL DEFAULT '{}',
  paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  resumed_at timestamptz,
  resumed_by text,
  organization_id uuid,
  PRIMARY KEY (execution_id, number)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX pauses_one_open ON resumer.pauses (execution_id) WHERE resumed_at IS NULL;
-- Open pauses, the longest first: of one reason, and of all.
CREATE INDEX pauses_open_reason ON resumer.pauses (reason, paused_at, execution_id) WHERE resumed_at IS NULL;
CREATE INDEX pauses_open_since ON resumer.pauses (paused_at, execution_id) WHERE resumed_at IS NULL;
-- Open pauses of one organization.
CREATE INDEX pauses_organization ON resumer.pauses (organization_id, reason, paused_at, execution_id)
  WHERE resumed_at IS NULL AND organization_id IS NOT NULL;

-- One execution that runs beyond one transaction, with the state from which any daemon can continue it. The release deletes the
-- row. All epochs come from one sequence, so the next lease of an execution has a higher epoch than any before.
CREATE TABLE resumer.leases (
  execution_id uuid PRIMARY KEY,
  instance uuid,
  epoch bigint GENERATED BY DEFAULT AS IDENTITY,
  lease_until timestamptz,
  takeovers integer NOT NULL DEFAULT 0,
  state jsonb,
  definition text,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE INDEX leases_held ON resumer.leases (lease_until) WHERE lease_until IS NOT NULL;
-- Finds out whether a definition is in use.
CREATE INDEX leases_definition ON resumer.leases (definition);
CREATE INDEX pauses_definition ON resumer.pauses (definition) WHERE resumed_at IS NULL;

-- One definition as it was when an execution paused. A paused execution continues with this copy.
CREATE TABLE resumer.definitions (
  sha256 text PRIMARY KEY,
  body jsonb NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- the day of the last pause or run with it, written at most once a day
  used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One daemon process. It sends heartbeats while it holds leases. After `silence` without one it counts as dead.
CREATE TABLE resumer.instances (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  silence interval NOT NULL,
  -- the newest state format that it can read
  state_version integer NOT NULL DEFAULT 1,
  dead boolean NOT NULL DEFAULT false
);

-- The single row of settings that triggers and functions read: whether to notify, the zone of the service's times, whether an
-- execution that the service ends as blocked becomes a pause and how old it may be then, who may decide, the status of an approval
-- that is closed undecided, which events are captured, and the time of the installation.
CREATE TABLE resumer.control (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  notify text NOT NULL DEFAULT 'auto' CHECK (notify IN ('auto', 'on', 'off')),
  polling_until timestamptz NOT NULL DEFAULT '-infinity',
  service_timezone text NOT NULL DEFAULT 'UTC',
  adopt_blocked boolean NOT NULL DEFAULT true,
  adopt_within interval NOT NULL DEFAULT '1 day',
  decision_guard text NOT NULL DEFAULT 'off' CHECK (decision_guard IN ('off', 'audit', 'enforce')),
  closed_status text NOT NULL DEFAULT 'expired',
  document_bytes bigint NOT NULL DEFAULT 8388608,
  event_capture text NOT NULL DEFAULT 'awaited' CHECK (event_capture IN ('awaited', 'all', 'off')),
  installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);
INSERT INTO resumer.control DEFAULT VALUES;

-- One wait for an event of one open pause. `path` is the place of the branch that waits, empty for a wait at the top level.
-- The transaction that opens a pause writes its rows, and the transaction that ends the pause deletes them. `match` has the
-- rendered values; without it `entities` has the ids that the execution names, because an event that names another one does
-- not match. `anchor` and `value` are one of these conditions, by which an index finds the wait: `=path` must lead to the
-- value, `~entity` must have it as its id or be absent, and an empty anchor accepts every event of the type. An event counts
-- from the id `since_id` on. It counts from the time `since` if the execution has no start request or no trigger saw the event.
-- A clock that is set back does not change the order of ids, which requests and events share.
CREATE TABLE resumer.event_waits (
  execution_id uuid NOT NULL,
  pause_number integer NOT NULL,
  path text NOT NULL DEFAULT '',
  event_type text NOT NULL,
  -- zeros if the service has no organizations
  organization_id uuid,
  match jsonb NOT NULL DEFAULT '{}',
  entities jsonb NOT NULL DEFAULT '{}',
  anchor text NOT NULL DEFAULT '',
  value text,
  since_id bigint,
  since timestamptz NOT NULL DEFAULT '-infinity',
  -- the last captured event that a search for past events has read, if it needs several statements
  looked_to bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (execution_id, pause_number, path)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX event_waits_anchor ON resumer.event_waits (event_type, organization_id, anchor, value);

-- The queue of events that were captured and not yet fanned out to all waits. Its ids are of the sequence of requests, so
-- that both have one order.
CREATE TABLE resumer.event_queue (
  id bigint PRIMARY KEY DEFAULT nextval('resumer.resume_requests_id_seq'),
  event_id uuid NOT NULL,
  event_type text NOT NULL,
  captured_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  -- no trigger saw it: it counts for executions that waited when it came
  missed boolean NOT NULL DEFAULT false,
  -- an event with more waits than one statement has time for went to the executions with hashes below this one
  place bigint NOT NULL DEFAULT 0
) WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE UNIQUE INDEX event_queue_event ON resumer.event_queue (event_id);

-- Events that can be found by their keys later. The rows are inserted and never updated.
CREATE TABLE resumer.captured_events (
  id bigint PRIMARY KEY,
  event_id uuid NOT NULL,
  captured_at timestamptz NOT NULL,
  missed boolean NOT NULL
);
CREATE UNIQUE INDEX captured_events_event ON resumer.captured_events (event_id);

-- One event type that definitions wait for. Only events of these types are captured. A daemon registers a type with the first
-- execution that may wait for it. Events that came earlier, or whose transaction did not see the type yet, are searched in the
-- service's table: once, and again when every transaction has ended that was open then.
CREATE TABLE resumer.event_types (
  event_type text PRIMARY KEY,
  -- the time from which the events of the type are captured or searched
  since timestamptz NOT NULL,
  -- the time up to which events were searched, in the service's zone-less time
  searched_to text,
  -- the transaction id that came next when the first search had ended
  mark bigint,
  complete boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- The keys that find past events: hashes of the values of each event (resumer.event_key), and the id of the captured event. The
-- daemon commits them before it reads the waits. A search that does not see them is followed by that read.
CREATE TABLE resumer.event_keys (
  key bigint NOT NULL,
  captured_id bigint NOT NULL,
  PRIMARY KEY (key, captured_id)
);
CREATE INDEX event_keys_captured ON resumer.event_keys (captured_id);

-- The sets of entities that events of a type name together, so that a search finds events that do not name an entity. At most
-- 64 for each type. An event beyond that has the key `*`, which every search reads.
CREATE TABLE resumer.event_names (
  event_type text NOT NULL,
  organization_id uuid NOT NULL,
  names text[] NOT NULL,
  PRIMARY KEY (event_type, organization_id, names)
);

-- One notification or record. It is written with the step that sends it, so that it is never lost, and never sent by a step
-- that did not commit. `key` is the Idempotency-Key of every attempt.
CREATE TABLE resumer.outbox (
  key text PRIMARY KEY,
  execution_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('notify', 'create_record', 'update_record')),
  body jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  error text,
  delivered_to text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  delivered_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX outbox_due ON resumer.outbox (next_at) WHERE state = 'pending' AND kind = 'notify';
-- A scrape counts these. There should be none.
CREATE INDEX outbox_dead ON resumer.outbox (created_at) WHERE state = 'dead';
CREATE INDEX outbox_execution ON resumer.outbox (execution_id);

-- The journal of effects outside the database: the intent before, the outcome after.
CREATE TABLE resumer.effects (
  key text PRIMARY KEY,
  execution_id uuid NOT NULL,
  path text NOT NULL,
  kind text NOT NULL,
  request jsonb NOT NULL,
  delivery text NOT NULL,
  status text NOT NULL CHECK (status IN ('intent', 'done', 'failed')),
  attempts integer NOT NULL,
  response jsonb,
  error text,
  epoch bigint NOT NULL,
  intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  next_at timestamptz -- before it, the attempt is not made
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX effects_execution ON resumer.effects (execution_id);

-- One hold, in force until it is released or its time is over. NULL as workflow: everything.
CREATE TABLE resumer.holds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  workflow_id text,
  organization_id uuid,
  actor text NOT NULL,
  reason text,
  held_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  until timestamptz,
  released_at timestamptz,
  released_by text,
  -- executions that it stopped continue in slices: so many per second, so many until now, the next at this time
  per_second integer NOT NULL DEFAULT 50,
  going bigint NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  -- pauses until this time and requests up to this id may be its own, once it is released
  stopped_to timestamptz,
  kept_to bigint,
  -- where the next slice begins: first the pauses, then the requests
  place_at timestamptz NOT NULL DEFAULT '-infinity',
  place_execution uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  place_request bigint,
  -- the time of the last slice
  ended_at timestamptz
);
CREATE UNIQUE INDEX holds_one_open ON resumer.holds (coalesce(workflow_id, '*'), coalesce(organization_id::text, ''))
  WHERE released_at IS NULL;
CREATE INDEX holds_ending ON resumer.holds (id) WHERE released_at IS NOT NULL AND ended_at IS NULL;

-- One API token, as its SHA-256. The token itself is shown once. Without an organization it is valid for all.
CREATE TABLE resumer.tokens (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  sha256 text NOT NULL UNIQUE,
  permissions text[] NOT NULL,
  organization_id uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text NOT NULL DEFAULT session_user,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
-- The name is the actor of requests made with the token, so only one valid token has it.
CREATE UNIQUE INDEX tokens_name ON resumer.tokens (name) WHERE revoked_at IS NULL;

-- One POST with an Idempotency-Key and the request that it made. A repetition gets the same response.
CREATE TABLE resumer.idempotency_keys (
  caller text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  request bigint,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (caller, key)
) WITH (fillfactor = 80);
CREATE INDEX idempotency_keys_age ON resumer.idempotency_keys (created_at);
