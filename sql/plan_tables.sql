-- The service's tables as they are before a migration: who owns each, whether we may alter it, how large it is by the last
-- ANALYZE, and whether row-level security is on.
SELECT c.relname::text AS name, pg_get_userbyid(c.relowner)::text AS owner, pg_has_role(c.relowner, 'USAGE') AS owned,
  greatest(sum(p.reltuples), 0)::bigint AS rows,
  (sum(p.relpages) * current_setting('block_size')::bigint)::bigint AS bytes, count(*) - 1 AS partitions,
  c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND col_description(c.oid, a.attnum) = 'added by resumer-daemon' ORDER BY a.attnum) AS added,
  ARRAY(SELECT t.tgname::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND f.pronamespace = to_regnamespace('resumer') ORDER BY 1) AS triggers
FROM pg_class c
CROSS JOIN LATERAL (
  SELECT c.oid AS relid UNION SELECT t.relid FROM pg_partition_tree(c.oid) AS t) AS part
JOIN pg_class p ON p.oid = part.relid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s::text[])
GROUP BY c.oid
ORDER BY c.relname
