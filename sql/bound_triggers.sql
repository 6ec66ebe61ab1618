-- Which of our triggers are bound to the service's tables, enabled or not.
SELECT t.tgname::text
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_proc f ON f.oid = t.tgfoid
WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND f.pronamespace = to_regnamespace('resumer')
  AND NOT t.tgisinternal
