-- The columns of the service's tables, with their types; whether one refuses NULL, whether an insert may leave it out (it
-- has a default, or a trigger may fill it), and whether the database computes it. Keys that our role may not read are as
-- good as none.
SELECT c.relname, a.attname,
  format_type(a.atttypid, NULL) || CASE t.typtype WHEN 'e' THEN ' (an enum)'
    WHEN 'd' THEN format(' (a domain over %%s)', format_type(t.typbasetype, t.typtypmod)) ELSE '' END,
  a.attnotnull,
  NOT a.attnotnull OR a.atthasdef OR a.attidentity <> ''
    OR EXISTS (
      SELECT FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND t.tgenabled <> 'D' AND t.tgname NOT LIKE 'resumer\_%%'
        AND t.tgtype & 7 = 7),  -- before an insert, for each row
  a.attgenerated <> '' OR a.attidentity = 'a'
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relname <> 'api_keys' OR has_table_privilege(c.oid, 'SELECT'))
