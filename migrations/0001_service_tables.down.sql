-- Drop the tables that the up migration created, told by their comment; a service's own tables stay.
DO $do$
DECLARE
  created regclass;
BEGIN
  FOR created IN
    SELECT c.oid::regclass FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = quote_ident(current_schema())::regnamespace
      AND obj_description(c.oid, 'pg_class') = 'created by resumer-daemon'
  LOOP
    EXECUTE format('DROP TABLE %s CASCADE', created);
  END LOOP;
END
$do$;
