-- Schema `resumer`, which holds everything that the daemon owns, and the history of migrations.
--
-- `migrate up` and `migrate down` write the history. `migrate status`, `doctor` and the daemon read it.
-- Locks: no table of the service is touched or locked.
CREATE SCHEMA resumer;
REVOKE ALL ON SCHEMA resumer FROM PUBLIC;

-- One migration that was applied. A repeatable one has no number: its functions, views or triggers are applied again when
-- the text of its file has another SHA-256. `version` is that of the program; an older one must not undo what it says.
CREATE TABLE resumer.migrations (
  name text PRIMARY KEY,
  number integer UNIQUE,
  sha256 text NOT NULL,
  version text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
