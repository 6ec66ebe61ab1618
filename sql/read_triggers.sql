-- Which of our triggers on the service's tables are there and enabled.
SELECT t.tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname LIKE 'resumer\_%%' AND t.tgenabled IN ('O', 'A')
  AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
