-- The statements that switch our triggers off or on, one for each table where something is to be switched. What the guard
-- of decisions does when they are on is said by RESUMER_DECISION_GUARD.
SELECT c.relname::text AS name, format('ALTER TABLE %%s %%s', c.oid::regclass,
  string_agg(format('%%s TRIGGER %%I', CASE WHEN %(on)s THEN 'ENABLE' ELSE 'DISABLE' END, t.tgname), ', ' ORDER BY t.tgname)) AS statement
FROM pg_trigger t
JOIN pg_proc f ON f.oid = t.tgfoid AND f.pronamespace = to_regnamespace('resumer')
JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
WHERE NOT t.tgisinternal AND CASE WHEN %(on)s THEN t.tgenabled NOT IN ('O', 'A') AND t.tgname <> 'resumer_approval_guard'
  ELSE t.tgenabled <> 'D' END
GROUP BY c.oid, c.relname
ORDER BY c.relname
