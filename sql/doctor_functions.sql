-- Who owns our functions, where that is a role that nothing binds: they run with its rights.
SELECT DISTINCT r.rolname::text AS owner
FROM pg_proc f JOIN pg_roles r ON r.oid = f.proowner
WHERE f.pronamespace = to_regnamespace('resumer') AND f.prosecdef AND (r.rolsuper OR r.rolbypassrls)
