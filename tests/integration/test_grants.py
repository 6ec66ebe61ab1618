"""Least privilege: each role may do what it needs, and nothing beside it."""

import re
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from resumer_daemon.store import grants, migrate
from tests.harness import Database
from tests.harness.dump import dumped
from tests.harness.inbox import a_writer
from tests.harness.members import give_rights, member_of
from tests.harness.prepared import FOLDER, NAMES
from tests.harness.rows import Rows

TABLES = ("workflows", "rules", "context_cache", "workflow_executions", "step_executions",
          "approval_requests", "events", "audit_log", "api_keys", "organizations", "users",
          "refresh_tokens")  # fmt: skip
ABSENT = {"v1": {"organizations"}, "v5": set[str]()}

MAY = {
    "resumer_daemon": {
        "workflows": {"SELECT"},
        "rules": {"SELECT"},
        "context_cache": {"SELECT"},
        "workflow_executions": {"SELECT", "UPDATE"},
        "step_executions": {"SELECT", "INSERT"},
        "approval_requests": {"SELECT", "INSERT", "UPDATE"},
        "events": {"SELECT", "UPDATE"},
        "audit_log": {"INSERT"},
        "api_keys": {"SELECT"},
    },
    "resumer_owner": {
        "workflows": {"SELECT"},
        "workflow_executions": {"SELECT", "INSERT"},
        "step_executions": {"SELECT"},
        "approval_requests": {"SELECT", "UPDATE"},
        "events": {"SELECT", "INSERT"},
        "organizations": {"SELECT"},
    },
    "resumer_reader": {
        name: {"SELECT"}
        for name in ("workflows", "rules", "workflow_executions", "step_executions",
                     "approval_requests", "events")
    },
}  # fmt: skip
MAY["resumer_operator"] = MAY["resumer_reader"]

# a column that the daemon has no business with, for what may be updated in part
FOREIGN = {
    "workflow_executions": "trigger_payload",
    "approval_requests": "approver_role",
    "events": "payload",
}

VERBS = {
    "SELECT": "SELECT FROM {table} LIMIT 0",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = NULL WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table}",
    "LOCK": "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
    "ALTER": "ALTER TABLE {table} DISABLE TRIGGER USER",
    "TRIGGER": "CREATE TRIGGER mine AFTER INSERT ON {table} EXECUTE FUNCTION resumer.wake()",
}

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])


@both_vintages
async def test_what_was_given_lacks_nothing_and_is_taken_back_without_a_trace(
    unmigrated: Database,
):
    unmigrated.run("ALTER TABLE approval_requests ENABLE ROW LEVEL SECURITY")
    before = dumped(unmigrated, "pg_dump")
    await migrate.up(unmigrated.url)
    printed = await grants.missing(unmigrated.url, "public")
    assert await grants.give(unmigrated.url, "public")
    assert any("CREATE POLICY" in statement for statement in printed)
    assert await grants.missing(unmigrated.url, "public") == []
    assert dumped(unmigrated, "pg_dump") != before
    await migrate.down(unmigrated.url)
    assert dumped(unmigrated, "pg_dump") == before


def _verbs_of(connection: psycopg.Connection[Any], role: str, table: str) -> set[str]:
    """Try each verb on a table as this role; what is not refused is undone."""
    [column] = connection.execute(
        "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %s::regclass"
        " AND a.attname IN ('status', 'processed_at', 'name', 'id') ORDER BY 1 DESC LIMIT 1",
        [table],
    ).fetchone() or [""]
    names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
    return {
        verb
        for verb, statement in VERBS.items()
        if not _refused(connection, role, sql.SQL(statement).format(**names))
    }


def _refused(connection: psycopg.Connection[Any], role: str, statement: sql.Composed) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            connection.execute(statement)
    except errors.InsufficientPrivilege:
        return True
    except errors.NotNullViolation:  # it was let through
        return False
    return False


@both_vintages
@pytest.mark.parametrize("role", MAY)
def test_every_verb_that_is_not_listed_is_refused(database: Database, role: str):
    give_rights(database.url)
    with database.connect() as connection:
        tables = set(TABLES) - ABSENT[database.vintage]
        found = {table: _verbs_of(connection, role, table) for table in tables}
        assert found == {table: MAY[role].get(table, set()) for table in tables}


@both_vintages
def test_of_the_service_s_rows_the_daemon_writes_its_own_columns_alone(database: Database):
    give_rights(database.url)
    with database.connect() as connection:
        for table, column in FOREIGN.items():
            statement = sql.SQL("UPDATE {} SET {} = NULL WHERE false").format(
                sql.Identifier(table), sql.Identifier(column)
            )
            assert _refused(connection, "resumer_daemon", statement), (table, column)


def test_nobody_but_the_owner_creates_anything(database: Database):
    give_rights(database.url)
    with database.connect() as connection:
        for role in ("resumer_daemon", "resumer_operator", "resumer_reader"):
            for statement in (
                "CREATE TABLE resumer.mine ()",
                "CREATE SCHEMA mine",
                "DROP FUNCTION resumer.wake()",
                "DELETE FROM resumer.migrations",
            ):
                assert _refused(connection, role, sql.Composed([sql.SQL(statement)])), statement


def test_our_functions_run_with_the_rights_of_the_owner(database: Database):
    give_rights(database.url)
    owners = (
        "SELECT DISTINCT pg_get_userbyid(f.proowner) FROM pg_proc f"
        " WHERE f.pronamespace = 'resumer'::regnamespace"
    )
    assert database.run(owners) == [("resumer_owner",)]


@both_vintages
def test_an_operator_decides_through_functions_and_cannot_write_the_table(database: Database):
    give_rights(database.url)
    rows = Rows.of(database)
    rows.approval(rows.execution(), request_id="one")
    with member_of(database, "resumer_operator") as operator:
        operator.run("SELECT resumer.approve('one')")
        with pytest.raises(errors.InsufficientPrivilege):
            operator.run("UPDATE approval_requests SET status = 'rejected'")
        with pytest.raises(errors.InsufficientPrivilege):
            operator.run("SELECT resumer.decide('one', 'rejected', NULL, NULL)")
    assert database.run("SELECT status FROM approval_requests") == [("approved",)]


def test_the_service_s_own_role_needs_no_new_right(database: Database):
    give_rights(database.url)
    rows = Rows.of(database)
    rows.approval(rows.execution(), request_id="one")
    with a_writer(database) as writer:
        writer.run("UPDATE approval_requests SET status = 'approved'")
        assert writer.warnings == []
    requests = "SELECT decision FROM resumer.requests WHERE kind = 'approval'"
    assert database.run(requests) == [("approved",)]


def test_every_function_that_a_statement_calls_may_be_called_by_one_of_the_roles(
    database: Database,
):
    """Whoever writes a statement that calls a new function is told to grant it."""
    give_rights(database.url)
    texts = [(FOLDER / f"{name}.sql").read_text() for name in NAMES]
    called = {name for text in texts for name in re.findall(r"resumer\.(\w+)\(", text)}
    forgotten = database.run(
        "SELECT f.proname FROM pg_proc f"
        " WHERE f.pronamespace = 'resumer'::regnamespace AND f.proname = ANY (%s) AND NOT ("
        " has_function_privilege('resumer_daemon', f.oid, 'EXECUTE')"
        " OR has_function_privilege('resumer_operator', f.oid, 'EXECUTE'))",
        list(called),
    )
    assert forgotten == []


def test_a_reader_sees_every_view(database: Database):
    give_rights(database.url)
    views = database.run("SELECT viewname FROM pg_views WHERE schemaname = 'resumer'")
    with member_of(database, "resumer_reader") as reader, reader.connect() as connection:
        for (view,) in views:
            connection.execute(sql.SQL("SELECT * FROM resumer.{}").format(sql.Identifier(view)))


@pytest.mark.parametrize("role", ["resumer_daemon", "resumer_operator", "resumer_reader"])
def test_nobody_makes_a_token_and_readers_do_not_see_them(database: Database, role: str):
    give_rights(database.url)
    insert = sql.SQL("INSERT INTO resumer.tokens DEFAULT VALUES")
    look = sql.SQL("SELECT FROM resumer.tokens")
    with database.connect() as connection:
        assert _refused(connection, role, sql.Composed([insert]))
        assert _refused(connection, role, sql.Composed([look])) == (role != "resumer_daemon")
