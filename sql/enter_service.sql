-- Let the service's triggers find what they name, on the path that role and database set. Statements that run from now on
-- name their operators exactly.
SELECT pg_catalog.set_config('search_path', %(search_path)s::pg_catalog.text, true)
