"""Migrations create objects as `resumer_owner` as soon as it has its rights there."""

from dataclasses import replace

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from resumer_daemon.embedded.server import EmbeddedPostgres
from resumer_daemon.store import grants, migrate
from tests.harness import Database
from tests.harness.database import Databases, give_rights
from tests.harness.dump import dumped
from tests.harness.inbox import a_writer
from tests.harness.service import Rows

OWNERS = """
SELECT DISTINCT pg_get_userbyid(o.owner) FROM (
  SELECT nspowner AS owner FROM pg_namespace WHERE nspname = 'resumer'
  UNION SELECT relowner FROM pg_class WHERE relnamespace = 'resumer'::regnamespace
  UNION SELECT proowner FROM pg_proc WHERE pronamespace = 'resumer'::regnamespace
  UNION SELECT typowner FROM pg_type WHERE typnamespace = 'resumer'::regnamespace) AS o
"""

v1 = pytest.mark.parametrize("vintage", ["v1"])


async def test_without_its_rights_the_role_owns_nothing(unmigrated: Database, database: Database):
    give_rights(database.url)  # the roles belong to the server, the rights to a database
    await migrate.up(unmigrated.url)
    assert unmigrated.run(OWNERS) == [("postgres",)]


@v1
async def test_after_grants_what_is_created_anew_is_owned_by_the_role(database: Database):
    await grants.give(database.url, "public")
    assert database.run(OWNERS) == [("resumer_owner",)]
    database.run("DROP FUNCTION resumer.sequences; DROP VIEW resumer.lag")
    database.run("ALTER FUNCTION resumer.wake OWNER TO postgres")  # of an older program
    database.run("UPDATE resumer.migrations SET sha256 = 'x' WHERE number IS NULL")
    await migrate.up(database.url)
    assert database.run(OWNERS) == [("resumer_owner",)]


@v1
@pytest.mark.parametrize("printed", [False, True])
async def test_grants_before_the_first_migration_let_the_role_own_all_from_the_beginning(
    unmigrated: Database, printed: bool
):
    before = dumped(unmigrated, "pg_dump")
    await grants.give(unmigrated.url, "public")
    if printed:
        for script in await migrate.pending(unmigrated.url, "up"):
            unmigrated.run(script)
    else:
        await migrate.up(unmigrated.url)
    assert unmigrated.run(OWNERS) == [("resumer_owner",)]
    rows = Rows.of(unmigrated)
    rows.approval(rows.execution(), request_id="one")
    with a_writer(unmigrated) as writer:
        writer.run("UPDATE approval_requests SET status = 'approved'")
        assert writer.warnings == []
    assert unmigrated.run("SELECT count(*) FROM resumer.resume_requests") == [(2,)]
    await migrate.down(unmigrated.url)
    assert dumped(unmigrated, "pg_dump") == before


@pytest.fixture
def administrator(own_server: EmbeddedPostgres) -> Database:
    """A login that owns the database and the tables and may create roles; no superuser."""
    databases = Databases(own_server.url(), "own")
    made = databases.make("v1", migrated=False)
    made.run("CREATE ROLE dba LOGIN CREATEROLE")
    with made.connect() as connection:
        name = sql.Identifier(made.name)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO dba").format(name))
        connection.execute("ALTER SCHEMA public OWNER TO dba")
        for (table,) in made.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            statement = sql.SQL("ALTER TABLE {} OWNER TO dba")
            connection.execute(statement.format(sql.Identifier(table)))
    return replace(made, url=make_conninfo(made.url, user="dba"))


@pytest.mark.parametrize("first", ["roles", "grants", "up"])
async def test_an_administrator_needs_not_be_a_superuser(administrator: Database, first: str):
    """From PostgreSQL 16 on, who creates a role may not act as it unless that is granted."""
    url = administrator.url
    if first == "roles":
        administrator.run("CREATE ROLE resumer_owner; CREATE ROLE resumer_daemon")
        await migrate.up(url)
        assert administrator.run(OWNERS) == [("dba",)]
    elif first == "up":
        await migrate.up(url)
    assert await grants.give(url, "public")
    await migrate.up(url)
    await grants.give(url, "public")
    assert await grants.missing(url, "public") == []
    assert administrator.run(OWNERS) == [("resumer_owner",)]
    administrator.run("UPDATE resumer.migrations SET sha256 = 'x' WHERE number IS NULL")
    assert await migrate.up(url)
    assert administrator.run(OWNERS) == [("resumer_owner",)]
    await migrate.down(url)
    assert administrator.run("SELECT to_regnamespace('resumer')") == [(None,)]
