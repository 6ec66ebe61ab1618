-- Let statements that grant rights find the service's tables; they call no operator and no function.
SELECT set_config('search_path', 'pg_catalog, resumer, ' || quote_ident(%(schema)s::text) || ', pg_temp', true)
