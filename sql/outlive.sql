-- No timeout of a role or database may end a session that is silent by trade; servers before 14 have no such timeout.
SELECT set_config(s.name, CASE s.name WHEN 'statement_timeout' THEN '10s' ELSE '0' END, false)
FROM pg_settings s WHERE s.name IN ('idle_session_timeout', 'statement_timeout')
