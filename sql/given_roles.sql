-- Which of the roles of `migrate grants` the server has.
SELECT r.rolname::text FROM pg_roles r
WHERE r.rolname IN ('resumer_owner', 'resumer_reader', 'resumer_operator', 'resumer_daemon')
