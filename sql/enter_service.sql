-- Let the service's triggers find what they name, on the path that role and database set, and plan their statements as
-- PostgreSQL does by itself. Statements that run from now on name their operators exactly.
SELECT pg_catalog.set_config('search_path', %(search_path)s::pg_catalog.text, true),
  pg_catalog.set_config('plan_cache_mode', 'auto', true)
