"""Row-level security of the service: each of our roles passes it for what it may, and no more."""

from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql

from resumer_daemon.errors import MigrationError
from resumer_daemon.store import grants, migrate, schema_change
from tests.harness import Database
from tests.harness.database import give_rights, member_of
from tests.harness.running import running
from tests.harness.service import Service, allow, ask
from tests.integration.migrations.test_grants import MAY

TABLES = ("workflows", "rules", "context_cache", "workflow_executions", "step_executions",
          "approval_requests", "events", "audit_log")  # fmt: skip

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])

# how a login may reach a row of the other tenant; a row that is inserted is one
REACH: dict[str, LiteralString] = {
    "SELECT": "SELECT count(*) FROM {} WHERE tenant = 'theirs'",
    "UPDATE": "WITH u AS (UPDATE {} SET tenant = tenant WHERE tenant = 'theirs' RETURNING 1)"
    " SELECT count(*) FROM u",
    "DELETE": "WITH d AS (DELETE FROM {} WHERE tenant = 'theirs' RETURNING 1)"
    " SELECT count(*) FROM d",
}


@pytest.fixture
def guarded(database: Database) -> Database:
    """Rows of two tenants in each table, and the policies of a careful service: forced."""
    with database.connect() as connection:
        for table in TABLES:
            connection.execute(
                sql.SQL(
                    "ALTER TABLE {0} ADD COLUMN tenant text NOT NULL DEFAULT 'ours';"
                    " ALTER TABLE {0} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
                    " CREATE POLICY tenant ON {0} USING (tenant = current_setting('app.tenant'))"
                ).format(sql.Identifier(table))
            )
            for tenant in ("ours", "theirs"):
                write(connection, table, tenant)
    return database


def write(connection: psycopg.Connection[Any], table: str, tenant: str) -> None:
    """Write a row, whatever columns a generation of the service needs."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # no foreign key
        _write(connection, table, tenant)


def _write(connection: psycopg.Connection[Any], table: str, tenant: str) -> None:
    needed = connection.execute(
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND (attnotnull AND NOT atthasdef OR attname = 'tenant')",
        [table],
    ).fetchall()
    values = {"uuid": uuid4(), "jsonb": "{}"}
    given = [tenant if name == "tenant" else values.get(kind, uuid4().hex) for name, kind in needed]
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.Identifier(name) for name, _ in needed),
            sql.SQL(", ").join([sql.Placeholder()] * len(needed)),
        ),
        given,
    )


def all_rights(connection: psycopg.Connection[Any], login: str) -> None:
    for table in TABLES:
        statement = sql.SQL("GRANT ALL ON {} TO {}")
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(login)))


def reached(connection: psycopg.Connection[Any], login: str, table: str) -> set[str]:
    """Return the commands by which a login of our tenant reaches rows of the other one."""
    found = set()
    for command in (*REACH, "INSERT"):
        try:
            with connection.transaction(force_rollback=True):
                connection.execute("SET LOCAL session_replication_role = replica")
                connection.execute("SET LOCAL app.tenant = 'ours'")
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(login)))
                if command == "INSERT":
                    _write(connection, table, "theirs")
                    found.add(command)
                    continue
                query = sql.SQL(REACH[command]).format(sql.Identifier(table))
                if connection.execute(query).fetchone() != (0,):
                    found.add(command)
        except errors.InsufficientPrivilege:
            continue
    return found


def expected(role: str, table: str) -> set[str]:
    if role == "resumer_daemon":  # one policy for all, where it has a right at all
        return {*REACH, "INSERT"} if MAY[role].get(table) else set()
    return MAY[role].get(table, set()) & {*REACH, "INSERT"}


@both_vintages
def test_a_member_with_all_rights_passes_the_policies_for_what_its_role_may(guarded: Database):
    """Rights come before policies, so the login of the test has all rights on the tables."""
    give_rights(guarded.url)
    for role in MAY:
        with member_of(guarded, role) as member, guarded.connect() as connection:
            [(login,)] = member.run("SELECT current_user")
            all_rights(connection, login)
            found = {table: reached(connection, login, table) for table in TABLES}
            assert found == {table: expected(role, table) for table in TABLES}, role


@both_vintages
def test_the_daemon_and_an_operator_work_where_all_policies_are_forced(guarded: Database):
    guarded.run("ALTER TABLE workflow_executions ALTER COLUMN tenant SET DEFAULT 'theirs'")
    service = Service(guarded)
    service.workflow(ask(), allow())
    give_rights(guarded.url)
    with (
        member_of(guarded, "resumer_daemon") as bound,
        running(bound, allow_superuser="false") as daemon,
        member_of(guarded, "resumer_operator") as operator,
    ):
        [(execution,)] = operator.run("SELECT resumer.start('flow')")
        service.until(execution, "paused")
        [request] = service.asked(execution)
        operator.run("SELECT resumer.approve(%s)", request)
        assert service.ended(execution)["result"] == "allowed"
        assert daemon.metric("resumer_database_errors_total") == 0
        assert operator.run("SELECT execution_id FROM resumer.ledger WHERE kind = 'approval'")
        right = "SELECT has_table_privilege('workflow_executions', 'SELECT')"
        assert operator.run(right) == [(False,)]


async def test_a_policy_that_was_changed_is_made_right_again(guarded: Database):
    await grants.give(guarded.url, "public")
    guarded.run(
        "ALTER POLICY resumer ON events TO PUBLIC;"
        " ALTER POLICY resumer_reader_select ON events USING (false);"
        " DROP POLICY resumer_owner_insert ON events"
    )
    assert [
        lack.statement.split(" FOR ")[0] for lack in await grants.missing(guarded.url, "public")
    ] == [
        "DROP POLICY resumer ON public.events; CREATE POLICY resumer ON public.events",
        "CREATE POLICY resumer_owner_insert ON public.events",
        "DROP POLICY resumer_reader_select ON public.events;"
        " CREATE POLICY resumer_reader_select ON public.events",
    ]
    await grants.give(guarded.url, "public")
    assert await grants.missing(guarded.url, "public") == []


async def test_each_table_gets_its_policies_in_a_transaction_of_its_own(
    guarded: Database, monkeypatch: pytest.MonkeyPatch
):
    """A policy takes ACCESS EXCLUSIVE: what can be given is given, and the holder is named."""
    monkeypatch.setattr(schema_change, "PATIENCE", 0.1)
    async with await guarded.aconnect() as holder, holder.transaction():
        await holder.execute("LOCK TABLE events IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match=r"held by: public\.events by pid \d+"):
            await grants.give(guarded.url, "public")
    policies = "SELECT DISTINCT polrelid::regclass::text FROM pg_policy WHERE polname <> 'tenant'"
    given = {table for (table,) in guarded.run(policies)}
    assert given == {"approval_requests", "audit_log", "context_cache"}
    await grants.give(guarded.url, "public")
    await migrate.down(guarded.url)
    assert guarded.run(policies) == []
