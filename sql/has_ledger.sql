-- Whether this database was ever migrated. The catalogue is read, because to_regclass may answer from a cache that is older
-- than the lock of migrators.
SELECT EXISTS (
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'resumer' AND c.relname = 'migrations')
