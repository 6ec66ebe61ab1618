DROP TABLE resumer.migrations;
DROP SCHEMA resumer;
-- Take back what `migrate grants` gave beyond our own schema. Policies were dropped before, table by table. The roles stay: they belong to all databases of the server.
DO $do$
DECLARE
  taken record;
BEGIN
  -- Only where they have something: to revoke nothing would write out rights that nobody has touched.
  FOR taken IN
    WITH roles AS (
      SELECT r.oid FROM pg_roles r
      WHERE r.rolname IN ('resumer_owner', 'resumer_reader', 'resumer_operator', 'resumer_daemon')
    ), given (object, acl) AS (
      SELECT format('TABLE %s', c.oid::regclass), c.relacl FROM pg_class c
      WHERE c.relnamespace = to_regnamespace('service_schema') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      UNION ALL
      SELECT format('TABLE %s', c.oid::regclass), a.attacl FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = to_regnamespace('service_schema') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      UNION ALL
      SELECT format('SCHEMA %I', n.nspname), n.nspacl FROM pg_namespace n WHERE n.oid = to_regnamespace('service_schema')
      UNION ALL
      SELECT format('DATABASE %I', d.datname), d.datacl FROM pg_database d WHERE d.datname = current_database()
    )
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', g.object, e.grantee::regrole) AS back
    FROM given g CROSS JOIN LATERAL aclexplode(g.acl) AS e JOIN roles ON roles.oid = e.grantee
  LOOP
    EXECUTE taken.back;
  END LOOP;
END
$do$;
