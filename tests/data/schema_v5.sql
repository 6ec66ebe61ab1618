-- Service schema, vintage 5: all seven upgrade steps of the service (two are numbered 003, two 004).
-- Written from the catalog of a database in that state; for throw-away test databases, PostgreSQL 15.
-- All timestamps are without time zone. No status column has a check or an enum.
-- Without the uuid-ossp extension: nothing here uses it, and not every server has it.
begin;
create or replace function update_updated_at_column() returns trigger language plpgsql as $f$
begin
  new.updated_at := now();
  return new;
end $f$;

create table users (
  id uuid not null default gen_random_uuid(),
  username varchar(255) not null,
  email varchar(255) not null,
  password_hash varchar(255) not null,
  first_name varchar(100),
  last_name varchar(100),
  is_active boolean default true,
  is_verified boolean default false,
  last_login_at timestamp,
  created_at timestamp default now(),
  updated_at timestamp default now(),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_email_key UNIQUE (email),
  constraint users_username_key UNIQUE (username)
);

create table roles (
  id uuid not null default gen_random_uuid(),
  name varchar(100) not null,
  description text,
  created_at timestamp default now(),
  updated_at timestamp default now(),
  constraint roles_pkey PRIMARY KEY (id),
  constraint roles_name_key UNIQUE (name)
);

create table permissions (
  id uuid not null default gen_random_uuid(),
  name varchar(100) not null,
  resource varchar(100) not null,
  action varchar(50) not null,
  description text,
  created_at timestamp default now(),
  constraint permissions_pkey PRIMARY KEY (id),
  constraint permissions_name_key UNIQUE (name)
);

create table user_roles (
  user_id uuid not null,
  role_id uuid not null,
  assigned_at timestamp default now(),
  assigned_by uuid,
  constraint user_roles_pkey PRIMARY KEY (user_id, role_id)
);

create table role_permissions (
  role_id uuid not null,
  permission_id uuid not null,
  granted_at timestamp default now(),
  constraint role_permissions_pkey PRIMARY KEY (role_id, permission_id)
);

create table organizations (
  id uuid not null default gen_random_uuid(),
  name varchar(255) not null,
  slug varchar(255) not null,
  description text,
  settings jsonb default '{}',
  is_active boolean default true,
  created_at timestamp default now(),
  updated_at timestamp default now(),
  created_by uuid,
  constraint organizations_pkey PRIMARY KEY (id),
  constraint organizations_slug_key UNIQUE (slug)
);

create table organization_users (
  id uuid not null default gen_random_uuid(),
  organization_id uuid,
  user_id uuid,
  role_id uuid,
  is_active boolean default true,
  joined_at timestamp default now(),
  invited_by uuid,
  constraint organization_users_pkey PRIMARY KEY (id),
  constraint organization_users_organization_id_user_id_key UNIQUE (organization_id, user_id)
);

create table workflows (
  id uuid not null default gen_random_uuid(),
  workflow_id varchar(255) not null,
  version varchar(50) not null,
  name varchar(255) not null,
  description text,
  definition jsonb not null,
  enabled boolean default true,
  created_at timestamp default now(),
  updated_at timestamp default now(),
  created_by uuid,
  tags text[],
  organization_id uuid not null,
  constraint workflows_pkey PRIMARY KEY (id),
  constraint workflows_org_workflow_id_version_key UNIQUE (organization_id, workflow_id, version)
);

create table workflow_executions (
  id uuid not null default gen_random_uuid(),
  workflow_id uuid,
  execution_id varchar(255) not null,
  trigger_event varchar(255),
  trigger_payload jsonb,
  context jsonb,
  status varchar(50) not null,
  result varchar(50),
  started_at timestamp default now(),
  completed_at timestamp,
  duration_ms integer,
  error_message text,
  metadata jsonb,
  current_step_id varchar(255),
  wait_state jsonb,
  paused_at timestamp,
  paused_reason varchar(255),
  paused_step_id uuid,
  next_step_id uuid,
  resume_data jsonb,
  resume_count integer default 0,
  last_resumed_at timestamp,
  timeout_at timestamp,
  timeout_duration integer,
  organization_id uuid not null,
  constraint workflow_executions_pkey PRIMARY KEY (id),
  constraint workflow_executions_execution_id_key UNIQUE (execution_id)
);

create table step_executions (
  id uuid not null default gen_random_uuid(),
  execution_id uuid,
  step_id varchar(255) not null,
  step_type varchar(50),
  status varchar(50) not null,
  input jsonb,
  output jsonb,
  started_at timestamp default now(),
  completed_at timestamp,
  duration_ms integer,
  error_message text,
  organization_id uuid not null,
  constraint step_executions_pkey PRIMARY KEY (id)
);

create table rules (
  id uuid not null default gen_random_uuid(),
  rule_id varchar(255) not null,
  name varchar(255) not null,
  description text,
  rule_type varchar(50) not null,
  definition jsonb not null,
  enabled boolean default true,
  created_at timestamp default now(),
  updated_at timestamp default now(),
  organization_id uuid not null,
  constraint rules_pkey PRIMARY KEY (id),
  constraint rules_org_rule_id_key UNIQUE (organization_id, rule_id)
);

create table events (
  id uuid not null default gen_random_uuid(),
  event_id varchar(255) not null,
  event_type varchar(255) not null,
  source varchar(255),
  payload jsonb not null,
  triggered_workflows text[],
  received_at timestamp default now(),
  processed_at timestamp,
  organization_id uuid not null,
  constraint events_pkey PRIMARY KEY (id),
  constraint events_event_id_key UNIQUE (event_id)
);

create table approval_requests (
  id uuid not null default gen_random_uuid(),
  request_id varchar(255) not null,
  execution_id uuid,
  entity_type varchar(100),
  entity_id varchar(255),
  requester_id uuid,
  approver_role varchar(100),
  approver_id uuid,
  status varchar(50) not null,
  reason text,
  decision_reason text,
  requested_at timestamp default now(),
  decided_at timestamp,
  expires_at timestamp,
  organization_id uuid not null,
  constraint approval_requests_pkey PRIMARY KEY (id),
  constraint approval_requests_request_id_key UNIQUE (request_id)
);

create table context_cache (
  id uuid not null default gen_random_uuid(),
  cache_key varchar(255) not null,
  entity_type varchar(100),
  entity_id varchar(255),
  data jsonb not null,
  cached_at timestamp default now(),
  expires_at timestamp,
  organization_id uuid not null,
  constraint context_cache_pkey PRIMARY KEY (id),
  constraint context_cache_cache_key_key UNIQUE (cache_key)
);

create table audit_log (
  id uuid not null default gen_random_uuid(),
  entity_type varchar(100),
  entity_id uuid,
  action varchar(100),
  actor_id uuid,
  actor_type varchar(50),
  changes jsonb,
  "timestamp" timestamp default now(),
  organization_id uuid,
  constraint audit_log_pkey PRIMARY KEY (id)
);

create table workflow_schedules (
  id uuid not null default gen_random_uuid(),
  workflow_id uuid not null,
  cron_expression varchar(100) not null,
  timezone varchar(50) not null default 'UTC',
  enabled boolean not null default true,
  last_triggered_at timestamp,
  next_trigger_at timestamp,
  created_at timestamp not null default now(),
  updated_at timestamp not null default now(),
  organization_id uuid not null,
  constraint valid_cron CHECK (((cron_expression)::text ~ '^[@0-9*/,-]+(\s+[@0-9*/,-]+){4,5}$'::text)),
  constraint workflow_schedules_pkey PRIMARY KEY (id)
);

create table api_keys (
  id uuid not null default gen_random_uuid(),
  key_hash varchar(255) not null,
  key_prefix varchar(20) not null,
  name varchar(255) not null,
  user_id uuid,
  scopes text[],
  is_active boolean default true,
  last_used_at timestamp,
  expires_at timestamp,
  created_at timestamp default now(),
  created_by uuid,
  organization_id uuid not null,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_key_hash_key UNIQUE (key_hash)
);

create table refresh_tokens (
  id uuid not null default gen_random_uuid(),
  token_hash varchar(255) not null,
  user_id uuid,
  expires_at timestamp not null,
  created_at timestamp default now(),
  revoked_at timestamp,
  constraint refresh_tokens_pkey PRIMARY KEY (id),
  constraint refresh_tokens_token_hash_key UNIQUE (token_hash)
);

create table rate_limits (
  id uuid not null default gen_random_uuid(),
  identifier varchar(255) not null,
  identifier_type varchar(50) not null,
  endpoint varchar(255) not null,
  request_count integer default 1,
  window_start timestamp default now(),
  last_request_at timestamp default now(),
  constraint rate_limits_pkey PRIMARY KEY (id)
);

create table login_attempts (
  id uuid not null default gen_random_uuid(),
  username varchar(255) not null,
  ip_address varchar(45) not null,
  success boolean not null,
  attempted_at timestamp default now(),
  constraint login_attempts_pkey PRIMARY KEY (id)
);

alter table api_keys add constraint api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id);
alter table api_keys add constraint api_keys_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table api_keys add constraint api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table approval_requests add constraint approval_requests_execution_id_fkey FOREIGN KEY (execution_id) REFERENCES workflow_executions(id) ON DELETE CASCADE;
alter table approval_requests add constraint approval_requests_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table audit_log add constraint audit_log_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE SET NULL;
alter table context_cache add constraint context_cache_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table events add constraint events_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table organization_users add constraint organization_users_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users(id);
alter table organization_users add constraint organization_users_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table organization_users add constraint organization_users_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles(id) ON DELETE CASCADE;
alter table organization_users add constraint organization_users_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table organizations add constraint organizations_created_by_fkey FOREIGN KEY (created_by) REFERENCES users(id);
alter table refresh_tokens add constraint refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table role_permissions add constraint role_permissions_permission_id_fkey FOREIGN KEY (permission_id) REFERENCES permissions(id) ON DELETE CASCADE;
alter table role_permissions add constraint role_permissions_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles(id) ON DELETE CASCADE;
alter table rules add constraint rules_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table step_executions add constraint step_executions_execution_id_fkey FOREIGN KEY (execution_id) REFERENCES workflow_executions(id) ON DELETE CASCADE;
alter table step_executions add constraint step_executions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table user_roles add constraint user_roles_assigned_by_fkey FOREIGN KEY (assigned_by) REFERENCES users(id);
alter table user_roles add constraint user_roles_role_id_fkey FOREIGN KEY (role_id) REFERENCES roles(id) ON DELETE CASCADE;
alter table user_roles add constraint user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table workflow_executions add constraint workflow_executions_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table workflow_executions add constraint workflow_executions_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE;
alter table workflow_schedules add constraint workflow_schedules_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;
alter table workflow_schedules add constraint workflow_schedules_workflow_id_fkey FOREIGN KEY (workflow_id) REFERENCES workflows(id) ON DELETE CASCADE;
alter table workflows add constraint workflows_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

CREATE INDEX idx_api_keys_expires ON api_keys (expires_at);
CREATE INDEX idx_api_keys_is_active ON api_keys (is_active);
CREATE INDEX idx_api_keys_key_hash ON api_keys (key_hash);
CREATE INDEX idx_api_keys_key_prefix ON api_keys (key_prefix);
CREATE INDEX idx_api_keys_organization ON api_keys (organization_id);
CREATE INDEX idx_api_keys_user ON api_keys (user_id);
CREATE INDEX idx_approvals_approver ON approval_requests (approver_id);
CREATE INDEX idx_approvals_entity ON approval_requests (entity_type, entity_id);
CREATE INDEX idx_approvals_execution ON approval_requests (execution_id);
CREATE INDEX idx_approvals_org_status ON approval_requests (organization_id, status);
CREATE INDEX idx_approvals_organization ON approval_requests (organization_id);
CREATE INDEX idx_approvals_status ON approval_requests (status);
CREATE INDEX idx_audit_actor ON audit_log (actor_id);
CREATE INDEX idx_audit_entity ON audit_log (entity_type, entity_id);
CREATE INDEX idx_audit_org_timestamp ON audit_log (organization_id, "timestamp" DESC);
CREATE INDEX idx_audit_organization ON audit_log (organization_id);
CREATE INDEX idx_audit_timestamp ON audit_log ("timestamp" DESC);
CREATE INDEX idx_context_cache_entity ON context_cache (entity_type, entity_id);
CREATE INDEX idx_context_cache_expires ON context_cache (expires_at);
CREATE INDEX idx_context_cache_organization ON context_cache (organization_id);
CREATE INDEX idx_events_org_type ON events (organization_id, event_type);
CREATE INDEX idx_events_organization ON events (organization_id);
CREATE INDEX idx_events_processed ON events (processed_at);
CREATE INDEX idx_events_received ON events (received_at DESC);
CREATE INDEX idx_events_type ON events (event_type);
CREATE INDEX idx_login_attempts_attempted ON login_attempts (attempted_at DESC);
CREATE INDEX idx_login_attempts_ip ON login_attempts (ip_address);
CREATE INDEX idx_login_attempts_username ON login_attempts (username);
CREATE INDEX idx_organization_users_active ON organization_users (organization_id, user_id, is_active);
CREATE INDEX idx_organization_users_org ON organization_users (organization_id);
CREATE INDEX idx_organization_users_role ON organization_users (role_id);
CREATE INDEX idx_organization_users_user ON organization_users (user_id);
CREATE INDEX idx_organizations_is_active ON organizations (is_active);
CREATE INDEX idx_organizations_slug ON organizations (slug);
CREATE INDEX idx_permissions_action ON permissions (action);
CREATE INDEX idx_permissions_resource ON permissions (resource);
CREATE UNIQUE INDEX idx_permissions_resource_action ON permissions (resource, action);
CREATE INDEX idx_rate_limits_identifier ON rate_limits (identifier, endpoint);
CREATE INDEX idx_rate_limits_window ON rate_limits (window_start);
CREATE INDEX idx_refresh_tokens_expires ON refresh_tokens (expires_at);
CREATE INDEX idx_refresh_tokens_token_hash ON refresh_tokens (token_hash);
CREATE INDEX idx_refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX idx_role_permissions_permission ON role_permissions (permission_id);
CREATE INDEX idx_role_permissions_role ON role_permissions (role_id);
CREATE INDEX idx_roles_name ON roles (name);
CREATE INDEX idx_rules_enabled ON rules (enabled);
CREATE INDEX idx_rules_org_enabled ON rules (organization_id, enabled);
CREATE INDEX idx_rules_organization ON rules (organization_id);
CREATE INDEX idx_rules_type ON rules (rule_type);
CREATE INDEX idx_step_executions ON step_executions (execution_id);
CREATE INDEX idx_step_executions_organization ON step_executions (organization_id);
CREATE INDEX idx_step_executions_status ON step_executions (status);
CREATE INDEX idx_user_roles_role ON user_roles (role_id);
CREATE INDEX idx_user_roles_user ON user_roles (user_id);
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_is_active ON users (is_active);
CREATE INDEX idx_users_username ON users (username);
CREATE INDEX idx_executions_org_status ON workflow_executions (organization_id, status);
CREATE INDEX idx_executions_organization ON workflow_executions (organization_id);
CREATE INDEX idx_executions_paused_at ON workflow_executions (paused_at) WHERE (paused_at IS NOT NULL);
CREATE INDEX idx_executions_resume_count ON workflow_executions (resume_count);
CREATE INDEX idx_executions_started_at ON workflow_executions (started_at DESC);
CREATE INDEX idx_executions_status ON workflow_executions (status);
CREATE INDEX idx_executions_timeout ON workflow_executions (timeout_at) WHERE timeout_at IS NOT NULL AND status IN ('running','waiting');
CREATE INDEX idx_executions_timeout_status ON workflow_executions (status, timeout_at) WHERE (timeout_at IS NOT NULL);
CREATE INDEX idx_executions_trigger ON workflow_executions (trigger_event);
CREATE INDEX idx_executions_wait_state ON workflow_executions USING gin (wait_state) WHERE (wait_state IS NOT NULL);
CREATE INDEX idx_executions_waiting ON workflow_executions (status) WHERE ((status)::text = 'waiting'::text);
CREATE INDEX idx_executions_workflow ON workflow_executions (workflow_id);
CREATE INDEX idx_schedules_enabled ON workflow_schedules (enabled) WHERE (enabled = true);
CREATE INDEX idx_schedules_next_trigger ON workflow_schedules (next_trigger_at) WHERE (enabled = true);
CREATE INDEX idx_schedules_organization ON workflow_schedules (organization_id);
CREATE INDEX idx_schedules_workflow ON workflow_schedules (workflow_id);
CREATE INDEX idx_workflows_enabled ON workflows (enabled);
CREATE INDEX idx_workflows_org_workflow_id ON workflows (organization_id, workflow_id);
CREATE INDEX idx_workflows_organization ON workflows (organization_id);
CREATE INDEX idx_workflows_tags ON workflows USING gin (tags);
CREATE INDEX idx_workflows_workflow_id ON workflows (workflow_id);

create trigger update_organizations_updated_at before update on organizations for each row execute function update_updated_at_column();
create trigger update_roles_updated_at before update on roles for each row execute function update_updated_at_column();
create trigger update_rules_updated_at before update on rules for each row execute function update_updated_at_column();
create trigger update_users_updated_at before update on users for each row execute function update_updated_at_column();
create trigger update_workflows_updated_at before update on workflows for each row execute function update_updated_at_column();

-- starting data: roles, permissions and who has which
insert into roles(name,description) values
  ('admin','Administrator with full system access'),
  ('agent','AI agent with limited API access'),
  ('approver','Can approve/reject approval requests'),
  ('workflow_manager','Can manage workflows and view executions'),
  ('workflow_viewer','Can view workflows and executions');
insert into permissions(name,resource,action) values
  ('approval:approve','approval','approve'),
  ('approval:read','approval','read'),
  ('approval:reject','approval','reject'),
  ('event:create','event','create'),
  ('event:read','event','read'),
  ('execution:cancel','execution','cancel'),
  ('execution:pause','execution','pause'),
  ('execution:read','execution','read'),
  ('execution:resume','execution','resume'),
  ('role:assign','role','assign'),
  ('role:create','role','create'),
  ('role:delete','role','delete'),
  ('role:read','role','read'),
  ('role:update','role','update'),
  ('user:create','user','create'),
  ('user:delete','user','delete'),
  ('user:read','user','read'),
  ('user:update','user','update'),
  ('workflow:create','workflow','create'),
  ('workflow:delete','workflow','delete'),
  ('workflow:execute','workflow','execute'),
  ('workflow:read','workflow','read'),
  ('workflow:update','workflow','update');
insert into role_permissions(role_id,permission_id) select r.id,p.id from roles r, permissions p where r.name='admin' and true;
insert into role_permissions(role_id,permission_id) select r.id,p.id from roles r, permissions p where r.name='agent' and p.name in ('event:create', 'event:read', 'execution:read', 'workflow:execute');
insert into role_permissions(role_id,permission_id) select r.id,p.id from roles r, permissions p where r.name='approver' and p.name in ('approval:approve', 'approval:read', 'approval:reject', 'execution:read');
insert into role_permissions(role_id,permission_id) select r.id,p.id from roles r, permissions p where r.name='workflow_manager' and p.name in ('approval:read', 'event:read', 'execution:cancel', 'execution:pause', 'execution:read', 'execution:resume', 'workflow:create', 'workflow:delete', 'workflow:execute', 'workflow:read', 'workflow:update');
insert into role_permissions(role_id,permission_id) select r.id,p.id from roles r, permissions p where r.name='workflow_viewer' and p.name in ('approval:read', 'event:read', 'execution:read', 'workflow:read');
insert into organizations(name,slug,is_active) values ('Default Organization','default',true);
commit;
