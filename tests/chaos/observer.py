"""Record in the database which daemon writes outcomes, and which daemon held the lease then.

A daemon cannot falsify this record: triggers of the chaos run write it, and a parameter of the
connection names the daemon. An intent copies the epoch of its lease, so the epochs alone could
never show that a daemon wrote after another one had taken over.
"""

from psycopg.conninfo import make_conninfo

from tests.chaos.checker import Write
from tests.harness.database import Database

OBSERVE = """
CREATE SCHEMA observed;
CREATE TABLE observed.holders (execution_id uuid PRIMARY KEY, daemon text);
CREATE TABLE observed.writes (key text, writer text, holder text);

CREATE FUNCTION observed.take() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO observed.holders VALUES (NEW.execution_id, current_setting('observed.daemon', true))
  ON CONFLICT (execution_id) DO UPDATE SET daemon = EXCLUDED.daemon;
  RETURN NULL;
END $$;
CREATE TRIGGER observed_take AFTER INSERT OR UPDATE OF epoch ON resumer.leases
FOR EACH ROW EXECUTE FUNCTION observed.take();

CREATE FUNCTION observed.write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO observed.writes
  SELECT NEW.key, current_setting('observed.daemon', true), h.daemon
  FROM observed.holders h WHERE h.execution_id = NEW.execution_id;
  RETURN NULL;
END $$;
CREATE TRIGGER observed_write AFTER UPDATE OF status ON resumer.effects
FOR EACH ROW WHEN (NEW.status <> 'intent') EXECUTE FUNCTION observed.write();
"""


def observe(database: Database) -> None:
    """Begin to record, before the first daemon starts."""
    with database.connect() as connection:
        connection.execute(OBSERVE)


def named(url: str, daemon: str) -> str:
    """Return the address under which a daemon is recorded with this name."""
    return make_conninfo(url, options=f"-c observed.daemon={daemon}")


def writes(database: Database) -> list[Write]:
    """Return what was recorded."""
    return [Write(*row) for row in database.run("SELECT key, writer, holder FROM observed.writes")]
