-- Find nothing in the schemas of others: what they create there must not be called by us.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', %(local)s)
