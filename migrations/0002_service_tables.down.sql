-- Drop the tables that the up migration created, told by their comment; a service's own tables stay. No CASCADE: what
-- others have built on them is not ours to drop.
DO $do$
DECLARE
  created text;
BEGIN
  SELECT string_agg(c.oid::regclass::text, ', ') INTO created FROM pg_class c
  WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace('service_schema')
    AND obj_description(c.oid, 'pg_class') = 'created by resumer-daemon';
  IF created IS NOT NULL THEN
    EXECUTE 'DROP TABLE ' || created;
  END IF;
END
$do$;
