-- What holds while the doctor looks: it waits for nobody, and finds the service's tables.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '10s', true),
  pg_catalog.set_config('lock_timeout', '1s', true)
