-- The daemon's schema, and the ledger of what was migrated when.
CREATE SCHEMA resumer;
REVOKE ALL ON SCHEMA resumer FROM PUBLIC;
CREATE TABLE resumer.migrations (
  number integer PRIMARY KEY,
  name text NOT NULL,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
