"""Who owns what a migration creates: `resumer_owner` as soon as it has its rights there."""

import pytest
from psycopg import sql

from resumer_daemon.store import grants, migrate
from tests.harness import Database
from tests.harness.dump import dumped
from tests.harness.inbox import a_writer
from tests.harness.members import give_rights, member_of
from tests.harness.rows import Rows

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
    database.run("DROP FUNCTION resumer.identities; DROP VIEW resumer.lag")
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


@v1
async def test_an_administrator_who_owns_the_tables_needs_not_be_a_superuser(unmigrated: Database):
    with member_of(unmigrated) as owner:
        [(name,)] = owner.run("SELECT current_user")
        role = sql.Identifier(name)
        with unmigrated.connect() as connection:
            for (table,) in unmigrated.run(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ):
                connection.execute(
                    sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), role)
                )
            connection.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                    sql.Identifier(unmigrated.name), role
                )
            )
        await migrate.up(owner.url)
        assert unmigrated.run(OWNERS) == [(name,)]
        await migrate.down(owner.url)
