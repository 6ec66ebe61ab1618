-- What is missing of the four roles themselves, and of our objects being in the hands of `resumer_owner`: with its rights
-- our functions run, and not with those of whoever migrated.
WITH me AS (
  SELECT r.oid, r.rolname, r.rolsuper, current_setting('server_version_num')::integer AS version
  FROM pg_roles r WHERE r.rolname = current_user
), roles (name) AS (
  VALUES ('resumer_owner'), ('resumer_reader'), ('resumer_operator'), ('resumer_daemon')
)
SELECT s.statement
FROM (
  SELECT 1, format('CREATE ROLE %I NOLOGIN', n.name) AS statement
  FROM roles n WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.name)
  UNION ALL
  SELECT 2, 'REVOKE resumer_reader FROM resumer_operator' -- whose policies show all rows of the service
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
  WHERE (g.rolname, r.rolname) = ('resumer_reader', 'resumer_operator')
  UNION ALL
  -- from PostgreSQL 16 on, who creates a role is a member of it that may neither act as it nor use its rights
  SELECT 3, format('GRANT resumer_owner TO %I%s', me.rolname,
    CASE WHEN me.version >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END)
  FROM me WHERE NOT me.rolsuper AND NOT coalesce((
    SELECT pg_has_role(me.oid, r.oid, 'USAGE')
      AND CASE WHEN me.version >= 160000 THEN pg_has_role(me.oid, r.oid, 'SET') ELSE pg_has_role(me.oid, r.oid, 'MEMBER') END
    FROM pg_roles r WHERE r.rolname = 'resumer_owner'), false)
  UNION ALL
  SELECT 4, format('GRANT CREATE ON DATABASE %I TO resumer_owner', current_database())
  FROM me WHERE NOT me.rolsuper
    AND coalesce((SELECT NOT has_database_privilege(r.oid, current_database(), 'CREATE')
      FROM pg_roles r WHERE r.rolname = 'resumer_owner'), true)
  UNION ALL
  SELECT 5, 'ALTER SCHEMA resumer OWNER TO resumer_owner'
  FROM pg_namespace n WHERE n.nspname = 'resumer' AND pg_get_userbyid(n.nspowner) <> 'resumer_owner'
  UNION ALL
  SELECT 6, format('ALTER %s resumer.%I OWNER TO resumer_owner', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
  FROM pg_class c
  WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind IN ('r', 'p', 'v')
    AND pg_get_userbyid(c.relowner) <> 'resumer_owner'
  UNION ALL
  SELECT 6, format('ALTER DOMAIN resumer.%I OWNER TO resumer_owner', t.typname)
  FROM pg_type t
  WHERE t.typnamespace = to_regnamespace('resumer') AND t.typtype = 'd' AND pg_get_userbyid(t.typowner) <> 'resumer_owner'
  UNION ALL
  SELECT 7, format('ALTER FUNCTION %s OWNER TO resumer_owner', f.oid::regprocedure)
  FROM pg_proc f
  WHERE f.pronamespace = to_regnamespace('resumer') AND pg_get_userbyid(f.proowner) <> 'resumer_owner'
) AS s (step, statement)
ORDER BY s.step, s.statement
