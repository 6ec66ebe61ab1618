-- Return to our own path, after the service's tables are written.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true)
