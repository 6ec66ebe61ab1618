-- Give `resumer_owner` what another role owns in schema `resumer`: it can only replace what is its own.
DO $do$
DECLARE
  given record;
BEGIN
  FOR given IN
    SELECT 'ALTER SCHEMA resumer OWNER TO resumer_owner' AS statement
    FROM pg_namespace n WHERE n.nspname = 'resumer' AND pg_get_userbyid(n.nspowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER %s resumer.%I OWNER TO resumer_owner', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('resumer') AND c.relkind IN ('r', 'p', 'v')
      AND pg_get_userbyid(c.relowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER DOMAIN resumer.%I OWNER TO resumer_owner', t.typname)
    FROM pg_type t
    WHERE t.typnamespace = to_regnamespace('resumer') AND t.typtype = 'd' AND pg_get_userbyid(t.typowner) <> 'resumer_owner'
    UNION ALL
    SELECT format('ALTER FUNCTION %s OWNER TO resumer_owner', f.oid::regprocedure)
    FROM pg_proc f
    WHERE f.pronamespace = to_regnamespace('resumer') AND pg_get_userbyid(f.proowner) <> 'resumer_owner'
  LOOP
    EXECUTE given.statement;
  END LOOP;
END
$do$
