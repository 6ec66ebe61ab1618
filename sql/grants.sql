-- Find missing roles and privileges.
-- Run by store/grants.py.

-- name: existing_roles
-- Read which of the roles of `migrate grants` the server has.
SELECT r.rolname::text FROM pg_roles r
WHERE r.rolname IN ('resumer_owner', 'resumer_reader', 'resumer_operator', 'resumer_daemon')

-- name: missing_roles
-- Find which of the four roles are missing, and which objects `resumer_owner` does not own: the role, what it lacks, and
-- the statement that grants it. Functions run with the rights of `resumer_owner`, and not with those of the role that
-- migrated.
WITH me AS (
  SELECT r.oid, r.rolname, r.rolsuper, current_setting('server_version_num')::integer AS version
  FROM pg_roles r WHERE r.rolname = current_user
), roles (name) AS (
  VALUES ('resumer_owner'), ('resumer_reader'), ('resumer_operator'), ('resumer_daemon')
)
SELECT s.role, s.what, s.statement, NULL
FROM (
  SELECT 1, n.name, 'existence', format('CREATE ROLE %I NOLOGIN', n.name)
  FROM roles n WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.name)
  UNION ALL
  SELECT 2, 'resumer_operator', 'membership', 'REVOKE resumer_reader FROM resumer_operator' -- whose policies show all rows of the service
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
  WHERE (g.rolname, r.rolname) = ('resumer_reader', 'resumer_operator')
  UNION ALL
  -- from PostgreSQL 16 on, who creates a role is a member of it that may neither act as it nor use its rights
  SELECT 3, me.rolname::text, 'membership', format('GRANT resumer_owner TO %I%s', me.rolname,
    CASE WHEN me.version >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END)
  FROM me WHERE NOT me.rolsuper AND NOT coalesce((
    SELECT pg_has_role(me.oid, r.oid, 'USAGE')
      AND CASE WHEN me.version >= 160000 THEN pg_has_role(me.oid, r.oid, 'SET') ELSE pg_has_role(me.oid, r.oid, 'MEMBER') END
    FROM pg_roles r WHERE r.rolname = 'resumer_owner'), false)
  UNION ALL
  SELECT 4, 'resumer_owner', 'right', format('GRANT CREATE ON DATABASE %I TO resumer_owner', current_database())
  FROM me WHERE NOT me.rolsuper
    AND coalesce((SELECT NOT has_database_privilege(r.oid, current_database(), 'CREATE')
      FROM pg_roles r WHERE r.rolname = 'resumer_owner'), true)
  UNION ALL
  SELECT 5, 'resumer_owner', 'ownership', 'ALTER SCHEMA resumer OWNER TO resumer_owner'
  FROM pg_namespace n WHERE n.nspname = 'resumer' AND pg_get_userbyid(n.nspowner) <> 'resumer_owner'
  UNION ALL
  SELECT 6, 'resumer_owner', 'ownership', format('ALTER %s resumer.%I OWNER TO resumer_owner', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
  FROM pg_class c
  WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind IN ('r', 'p', 'v')
    AND pg_get_userbyid(c.relowner) <> 'resumer_owner'
  UNION ALL
  SELECT 6, 'resumer_owner', 'ownership', format('ALTER DOMAIN resumer.%I OWNER TO resumer_owner', t.typname)
  FROM pg_type t
  WHERE t.typnamespace = to_regnamespace('resumer') AND t.typtype = 'd' AND pg_get_userbyid(t.typowner) <> 'resumer_owner'
  UNION ALL
  SELECT 7, 'resumer_owner', 'ownership', format('ALTER FUNCTION %s OWNER TO resumer_owner', f.oid::regprocedure)
  FROM pg_proc f
  WHERE f.pronamespace = to_regnamespace('resumer') AND pg_get_userbyid(f.proowner) <> 'resumer_owner'
) AS s (step, role, what, statement)
ORDER BY s.step, s.statement

-- name: missing_grants
-- Find the rights that each role lacks of those that it needs: the role, the right, the statement that grants it, and
-- for a policy its table, which the statement locks. `as_daemon` is checked in place of `resumer_daemon`.
WITH roles AS (
  SELECT n.name, r.oid
  FROM (VALUES ('resumer_owner'), ('resumer_reader'), ('resumer_operator'), ('resumer_daemon')) AS n (name)
  LEFT JOIN pg_roles r ON r.rolname = CASE n.name WHEN 'resumer_daemon' THEN %(as_daemon)s ELSE n.name END
), ours AS (
  SELECT c.oid, c.relname::text AS name FROM pg_class c
  WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind IN ('r', 'p', 'v')
), wanted (role, verbs, relation, columns) AS (
  SELECT t.role, string_to_array(t.verbs, ' '), c.oid, string_to_array(t.columns, ' ')
  FROM (VALUES
    ('resumer_daemon', 'SELECT', 'workflows', NULL),
    ('resumer_daemon', 'SELECT', 'rules', NULL),
    ('resumer_daemon', 'SELECT', 'context_cache', NULL),
    ('resumer_daemon', 'SELECT', 'workflow_executions', NULL),
    ('resumer_daemon', 'UPDATE', 'workflow_executions', 'status result context error_message metadata completed_at'
      ' duration_ms paused_at paused_reason paused_step_id next_step_id resume_data resume_count last_resumed_at'
      ' current_step_id wait_state timeout_at timeout_duration'),
    ('resumer_daemon', 'SELECT INSERT', 'step_executions', NULL),
    ('resumer_daemon', 'SELECT INSERT', 'approval_requests', NULL),
    ('resumer_daemon', 'UPDATE', 'approval_requests', 'status decided_at'),
    ('resumer_daemon', 'UPDATE', 'approval_requests', 'decision_reason'),
    ('resumer_daemon', 'SELECT', 'events', NULL),
    ('resumer_daemon', 'UPDATE', 'events', 'processed_at triggered_workflows'),
    ('resumer_daemon', 'INSERT', 'audit_log', NULL),
    ('resumer_daemon', 'SELECT', 'api_keys', NULL),
    ('resumer_owner', 'SELECT', 'workflows', NULL),
    ('resumer_owner', 'SELECT', 'step_executions', NULL),
    ('resumer_owner', 'SELECT INSERT', 'workflow_executions', NULL),
    ('resumer_owner', 'SELECT', 'approval_requests', NULL),
    ('resumer_owner', 'UPDATE', 'approval_requests', 'status approver_id decision_reason decided_at'),
    ('resumer_owner', 'SELECT INSERT', 'events', NULL),
    ('resumer_owner', 'SELECT', 'organizations', NULL),
    ('resumer_reader', 'SELECT', 'workflows', NULL),
    ('resumer_reader', 'SELECT', 'rules', NULL),
    ('resumer_reader', 'SELECT', 'workflow_executions', NULL),
    ('resumer_reader', 'SELECT', 'step_executions', NULL),
    ('resumer_reader', 'SELECT', 'approval_requests', NULL),
    ('resumer_reader', 'SELECT', 'events', NULL)
  ) AS t (role, verbs, name, columns)
  JOIN pg_class c ON c.relname = t.name AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
  UNION ALL
  SELECT 'resumer_reader', ARRAY['SELECT'], o.oid, NULL FROM ours o WHERE o.name NOT IN ('tokens', 'idempotency_keys')
  UNION ALL -- the views show what an operator decides about
  SELECT 'resumer_operator', ARRAY['SELECT'], o.oid, NULL FROM ours o WHERE o.name IN ('inbox', 'lag', 'ledger', 'incidents')
  UNION ALL
  SELECT 'resumer_daemon', ARRAY['SELECT'], o.oid, NULL FROM ours o
  UNION ALL
  SELECT 'resumer_daemon', string_to_array(t.verbs, ' '), o.oid, string_to_array(t.columns, ' ')
  FROM (VALUES
    ('INSERT UPDATE DELETE', 'resume_requests', NULL),
    ('INSERT DELETE', 'settled_requests', NULL), -- what became of a request is written once
    ('UPDATE', 'settled_requests', 'payload'), -- of an execution that was deleted
    ('INSERT UPDATE DELETE', 'event_queue', NULL),
    ('INSERT DELETE', 'captured_events', NULL),
    ('INSERT UPDATE', 'event_types', NULL),
    ('INSERT UPDATE DELETE', 'pauses', NULL),
    ('INSERT UPDATE DELETE', 'leases', NULL),
    ('INSERT UPDATE DELETE', 'definitions', NULL),
    ('INSERT UPDATE DELETE', 'instances', NULL),
    ('UPDATE', 'control', NULL),
    ('INSERT UPDATE DELETE', 'event_waits', NULL),
    ('INSERT DELETE', 'event_keys', NULL),
    ('INSERT', 'event_names', NULL),
    ('INSERT UPDATE DELETE', 'outbox', NULL),
    ('INSERT UPDATE DELETE', 'effects', NULL),
    ('UPDATE', 'holds', 'released_at released_by'), -- `end_hold` writes the others
    ('UPDATE', 'tokens', 'last_used_at'),
    ('INSERT UPDATE DELETE', 'idempotency_keys', NULL)
  ) AS t (verbs, name, columns)
  JOIN ours o ON o.name = t.name
), tables AS (
  SELECT w.role, v.verb, w.relation, w.columns,
    (SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = w.relation) AS name,
    ARRAY(SELECT a.attname FROM pg_attribute a
      WHERE a.attrelid = w.relation AND a.attname = ANY (w.columns) AND NOT a.attisdropped ORDER BY a.attnum) AS present
  FROM wanted w CROSS JOIN unnest(w.verbs) AS v (verb)
), functions AS (
  SELECT r.role, f.oid::regprocedure AS function
  FROM pg_proc f
  JOIN (VALUES
    ('resumer_daemon', 'guard_violation queue is_ours hold_of end_hold write_record service_now find execution_summary waiting_for longest_branch_of status explain'
      ' index_text differs may_end event_key event_names_of event_terms sequences pause resume cancel retry hold release'), -- the last six for callers over HTTP
    ('resumer_reader', 'hold_of service_now find execution_summary approvals_of waiting_for longest_branch_of status explain sequences'
      ' inbox_page ledger_page'),
    ('resumer_operator', 'hold_of service_now find execution_summary approvals_of waiting_for longest_branch_of status explain'
      ' inbox_page ledger_page approve reject start emit pause resume cancel retry hold release adopt retry_message')
  ) AS r (role, names) ON f.proname = ANY (string_to_array(r.names, ' '))
  WHERE f.pronamespace = to_regnamespace('resumer')
), policies AS ( -- with row-level security a right shows no row without a policy that lets the row pass
  SELECT DISTINCT t.role, t.relation, t.name AS qualified, c.relname::text AS "table",
    CASE t.role WHEN 'resumer_daemon' THEN 'resumer' ELSE format('%%s_%%s', t.role, lower(t.verb)) END AS name,
    CASE t.role WHEN 'resumer_daemon' THEN 'ALL' ELSE t.verb END AS command
  FROM tables t JOIN pg_class c ON c.oid = t.relation
  WHERE c.relrowsecurity AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
), rights (role, held, what, statement, policy_on) AS (
  SELECT r.name, has_database_privilege(r.oid, current_database(), 'CONNECT'), format('CONNECT on database %%I', current_database()),
    format('GRANT CONNECT ON DATABASE %%I TO %%I', current_database(), r.name), NULL
  FROM roles r WHERE r.name <> 'resumer_owner'
  UNION ALL
  SELECT r.name, has_schema_privilege(r.oid, n.oid, 'USAGE'), format('USAGE on schema %%I', n.nspname),
    format('GRANT USAGE ON SCHEMA %%I TO %%I', n.nspname, r.name), NULL
  FROM roles r CROSS JOIN pg_namespace n WHERE n.nspname IN (%(schema)s, 'resumer')
  UNION ALL
  SELECT t.role,
    CASE WHEN t.columns IS NULL THEN has_table_privilege(r.oid, t.relation, t.verb)
      ELSE (SELECT bool_and(has_column_privilege(r.oid, t.relation, p.name, t.verb)) FROM unnest(t.present) AS p (name)) END,
    format('%%s on %%s', t.verb, t.name),
    format('GRANT %%s%%s ON %%s TO %%I', t.verb,
      CASE WHEN t.columns IS NOT NULL THEN format(' (%%s)', (SELECT string_agg(quote_ident(p.name), ', ') FROM unnest(t.present) AS p (name))) END,
      t.name, t.role), NULL
  FROM tables t JOIN roles r ON r.name = t.role
  UNION ALL
  SELECT f.role, has_function_privilege(r.oid, f.function, 'EXECUTE'), format('EXECUTE on %%s', f.function),
    format('GRANT EXECUTE ON FUNCTION %%s TO %%I', f.function, f.role), NULL
  FROM functions f JOIN roles r ON r.name = f.role
  UNION ALL -- for what is not entered by an insert into the queue, and to know the newest ids
  SELECT r.name, has_sequence_privilege(r.oid, s.oid, v.verb), format('%%s on sequence %%s', v.verb, s.oid::regclass),
    format('GRANT %%s ON SEQUENCE resumer.%%I TO %%I', v.verb, s.relname, r.name), NULL
  FROM roles r CROSS JOIN (VALUES ('USAGE'), ('SELECT')) AS v (verb) JOIN pg_class s ON s.relnamespace = to_regnamespace('resumer') AND s.relname = 'resume_requests_id_seq'
  WHERE r.name = 'resumer_daemon'
  UNION ALL
  SELECT o.role, coalesce(w.right_one, false), format('policy %%I on %%s', o.name, o."table"),
    CASE WHEN w.right_one IS NOT NULL THEN format('DROP POLICY %%I ON %%s; ', o.name, o.qualified) ELSE '' END
      || format('CREATE POLICY %%I ON %%s FOR %%s TO %%I', o.name, o.qualified, o.command, o.role)
      || CASE o.command WHEN 'INSERT' THEN '' ELSE ' USING (true)' END
      || CASE o.command WHEN 'SELECT' THEN '' ELSE ' WITH CHECK (true)' END, o."table"
  FROM policies o LEFT JOIN LATERAL (
    SELECT p.polpermissive AND p.polroles = ARRAY[(SELECT r.oid FROM pg_roles r WHERE r.rolname = o.role)]
      AND p.polcmd = CASE o.command WHEN 'ALL' THEN '*' WHEN 'SELECT' THEN 'r' WHEN 'INSERT' THEN 'a' ELSE 'w' END
      AND coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
      AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true' AS right_one
    FROM pg_policy p WHERE p.polrelid = o.relation AND p.polname = o.name) AS w ON true
)
SELECT g.role, g.what, g.statement, g.policy_on FROM rights g
WHERE NOT coalesce(g.held, false) ORDER BY g.policy_on NULLS FIRST, g.role, g.statement

-- name: set_search_path
-- Let names of functions and types be printed with their schema, so that the statements can be pasted anywhere.
SELECT set_config('search_path', 'pg_catalog, pg_temp', true)

-- name: has_daemon_login
-- Check whether a login other than a superuser is a member of `resumer_daemon`.
SELECT EXISTS (
  SELECT FROM pg_roles r JOIN pg_roles d ON d.rolname = 'resumer_daemon'
  WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, d.oid, 'MEMBER'))
