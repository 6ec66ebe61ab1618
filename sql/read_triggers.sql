-- Our triggers on the service's tables, and whether each fires.
SELECT t.tgname::text, t.tgenabled IN ('O', 'A') AS fires FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname LIKE 'resumer\_%%' AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
