-- What roles and databases impose on sessions that write decisions, of the settings that our triggers cannot help: who,
-- which setting, and its value. Who we are is left out, for our sessions make their own.
SELECT
  coalesce(r.rolname, 'everybody')::text AS who,
  split_part(c.entry, '=', 1) AS name,
  substr(c.entry, strpos(c.entry, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (entry)
LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND r.rolname IS DISTINCT FROM current_user
UNION ALL
SELECT 'the server', p.name, p.setting || coalesce(p.unit, '') FROM pg_settings p
WHERE p.source IN ('configuration file', 'command line', 'environment variable')
ORDER BY 1, 2
