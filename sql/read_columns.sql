-- The columns of the service's tables, with their types. Keys that our role may not read are as good as none.
SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relname <> 'api_keys' OR has_table_privilege(c.oid, 'SELECT'))
