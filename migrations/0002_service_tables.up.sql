-- The service's tables, for a database without a service: for development and first trials.
--
-- A database that has `workflow_executions` belongs to a service. Nothing is created and no table is locked there. Each table
-- that is created here has a comment, by which the down migration recognizes it.
-- Locks: none on existing tables.
DO $do$
DECLARE
  created text;
BEGIN
  IF to_regclass('service_schema.workflow_executions') IS NOT NULL THEN
    RETURN;
  END IF;

  CREATE TABLE workflows (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id varchar(255) NOT NULL,
    version varchar(50) NOT NULL,
    name varchar(255) NOT NULL,
    description text,
    definition jsonb NOT NULL,
    enabled boolean DEFAULT true,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now(),
    created_by uuid,
    tags text[],
    UNIQUE (workflow_id, version)
  );

  CREATE TABLE workflow_executions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid REFERENCES workflows (id) ON DELETE CASCADE,
    execution_id varchar(255) NOT NULL UNIQUE,
    trigger_event varchar(255),
    trigger_payload jsonb,
    context jsonb,
    status varchar(50) NOT NULL,
    result varchar(50),
    started_at timestamp DEFAULT now(),
    completed_at timestamp,
    duration_ms integer,
    error_message text,
    metadata jsonb
  );
  CREATE INDEX idx_executions_status ON workflow_executions (status);
  CREATE INDEX idx_executions_started_at ON workflow_executions (started_at DESC);
  CREATE INDEX idx_executions_workflow ON workflow_executions (workflow_id);

  CREATE TABLE step_executions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    execution_id uuid REFERENCES workflow_executions (id) ON DELETE CASCADE,
    step_id varchar(255) NOT NULL,
    step_type varchar(50),
    status varchar(50) NOT NULL,
    input jsonb,
    output jsonb,
    started_at timestamp DEFAULT now(),
    completed_at timestamp,
    duration_ms integer,
    error_message text
  );
  CREATE INDEX idx_step_executions ON step_executions (execution_id);

  CREATE TABLE rules (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    rule_id varchar(255) NOT NULL UNIQUE,
    name varchar(255) NOT NULL,
    description text,
    rule_type varchar(50) NOT NULL,
    definition jsonb NOT NULL,
    enabled boolean DEFAULT true,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now()
  );

  CREATE TABLE events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_id varchar(255) NOT NULL UNIQUE,
    event_type varchar(255) NOT NULL,
    source varchar(255),
    payload jsonb NOT NULL,
    triggered_workflows text[],
    received_at timestamp DEFAULT now(),
    processed_at timestamp
  );
  CREATE INDEX idx_events_type ON events (event_type);
  CREATE INDEX idx_events_received ON events (received_at DESC);

  CREATE TABLE approval_requests (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    request_id varchar(255) NOT NULL UNIQUE,
    execution_id uuid REFERENCES workflow_executions (id) ON DELETE CASCADE,
    entity_type varchar(100),
    entity_id varchar(255),
    requester_id uuid,
    approver_role varchar(100),
    approver_id uuid,
    status varchar(50) NOT NULL,
    reason text,
    decision_reason text,
    requested_at timestamp DEFAULT now(),
    decided_at timestamp,
    expires_at timestamp
  );
  CREATE INDEX idx_approvals_execution ON approval_requests (execution_id);
  CREATE INDEX idx_approvals_status ON approval_requests (status);

  CREATE TABLE context_cache (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    cache_key varchar(255) NOT NULL UNIQUE,
    entity_type varchar(100),
    entity_id varchar(255),
    data jsonb NOT NULL,
    cached_at timestamp DEFAULT now(),
    expires_at timestamp
  );
  CREATE INDEX idx_context_cache_entity ON context_cache (entity_type, entity_id);

  CREATE TABLE audit_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type varchar(100),
    entity_id uuid,
    action varchar(100),
    actor_id uuid,
    actor_type varchar(50),
    changes jsonb,
    "timestamp" timestamp DEFAULT now()
  );
  CREATE INDEX idx_audit_entity ON audit_log (entity_type, entity_id);

  FOREACH created IN ARRAY ARRAY[
    'workflows', 'workflow_executions', 'step_executions', 'rules', 'events', 'approval_requests', 'context_cache',
    'audit_log'
  ] LOOP
    EXECUTE format('COMMENT ON TABLE service_schema.%I IS %L', created, 'created by resumer-daemon');
  END LOOP;
END
$do$;
