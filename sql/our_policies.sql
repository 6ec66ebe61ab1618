-- Our policies on the service's tables, which `migrate grants` has created: the statements that drop those of each table.
SELECT c.relname::text AS "table",
  string_agg(format('DROP POLICY %%I ON %%I.%%I', p.polname, n.nspname, c.relname), '; ' ORDER BY p.polname) AS statements
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND p.polname ~ '^resumer($|_owner_|_reader_)'
GROUP BY c.relname ORDER BY 1
