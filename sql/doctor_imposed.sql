-- What our role and this database impose on sessions of ours: who, which setting, and its value.
SELECT
  concat_ws(' in ', CASE WHEN s.setrole <> 0 THEN 'role ' || quote_ident(session_user) END,
    CASE WHEN s.setdatabase <> 0 THEN 'database ' || quote_ident(current_database()) END) AS who,
  split_part(c.entry, '=', 1) AS name,
  substr(c.entry, strpos(c.entry, '=') + 1) AS value
FROM pg_db_role_setting s
CROSS JOIN LATERAL unnest(s.setconfig) AS c (entry)
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
  AND s.setrole IN (0, (SELECT r.oid FROM pg_roles r WHERE r.rolname = session_user))
ORDER BY 1, 2
