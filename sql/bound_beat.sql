-- A beat lasts as long as it must, whatever the role imposes; one that hangs is told by our own clock. A beat that a crash of
-- the server loses is repeated, so its commit waits for no flush and no standby.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, resumer, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', '0', true),
  pg_catalog.set_config('synchronous_commit', 'off', true)
