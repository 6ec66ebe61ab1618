DROP TABLE resumer.migrations;
DROP SCHEMA resumer;
-- Take back what `migrate grants` gave beyond our own schema. The roles stay: they belong to all databases of the server.
DO $do$
DECLARE
  taken record;
BEGIN
  FOR taken IN
    SELECT format('DROP POLICY resumer ON %s', p.polrelid::regclass) AS policy
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE p.polname = 'resumer' AND c.relnamespace = quote_ident(current_schema())::regnamespace
  LOOP
    EXECUTE taken.policy;
  END LOOP;
  FOR taken IN
    SELECT r.rolname FROM pg_roles r
    WHERE r.rolname IN ('resumer_owner', 'resumer_reader', 'resumer_operator', 'resumer_daemon')
  LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), taken.rolname);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', current_schema(), taken.rolname);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), taken.rolname);
  END LOOP;
END
$do$;
