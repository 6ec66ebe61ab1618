-- Return to our own path and plans, after the service's tables are written.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)
