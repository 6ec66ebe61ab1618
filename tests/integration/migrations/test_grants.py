"""Least privilege: each role may do what it needs, and nothing beside it."""

import re
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.store import grants, migrate, service_schema
from resumer_daemon.store.connection import connect
from resumer_daemon.store.statements import TEXTS, load
from tests.harness import Database, eventually_sync
from tests.harness.database import Databases, give_rights, member_of
from tests.harness.dump import dumped
from tests.harness.inbox import a_writer
from tests.harness.plans import NAMES, numbered
from tests.harness.service import Rows

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
MAY["resumer_operator"] = {}

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

ROLES = ("resumer_daemon", "resumer_operator", "resumer_owner", "resumer_reader")

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])


@both_vintages
async def test_what_was_given_lacks_nothing_and_is_taken_back_without_a_trace(
    unmigrated: Database,
):
    unmigrated.run("ALTER TABLE approval_requests ENABLE ROW LEVEL SECURITY")
    unmigrated.run("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
    before = dumped(unmigrated, "pg_dump")
    await migrate.up(unmigrated.url)
    printed = await grants.missing(unmigrated.url, "public")
    assert await grants.give(unmigrated.url, "public")
    assert any("CREATE POLICY" in lack.statement for lack in printed)
    assert await grants.missing(unmigrated.url, "public") == []
    assert dumped(unmigrated, "pg_dump") != before
    undone = await migrate.down(unmigrated.url)
    assert undone[:2] == ["policies of approval_requests", "policies of events"]
    assert dumped(unmigrated, "pg_dump") == before


def _grants(database: Database, *options: str) -> str:
    command = ["migrate", "grants", *options, "--database-url", database.url]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return result.stdout


@both_vintages
def test_grants_print_a_line_a_role_and_the_next_step(database: Database):
    database.run("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
    planned = _grants(database, "--dry-run").splitlines()
    assert [line.split()[:2] for line in planned[:-1]] == [["missing", role] for role in ROLES]
    assert planned[-1] == "`--sql` prints the statements."
    given = _grants(database).splitlines()
    assert [line.removeprefix("granted ") for line in given[:4]] == [
        line.removeprefix("missing ") for line in planned[:4]
    ]
    assert re.search(r"resumer_daemon +.*rights: \d+, policies: 1$", given[0])
    with member_of(database):  # of none of the roles
        assert _grants(database).startswith("nothing to do\n")
        # logins are the server's, and tests beside this one have members for a moment
        eventually_sync(lambda: "IN ROLE resumer_daemon;\n" in _grants(database))
    with member_of(database, "resumer_daemon"):
        assert _grants(database) == "nothing to do\n"


@both_vintages
def test_printed_grants_have_the_same_effect_on_any_search_path(
    database: Database, databases: Databases
):
    for one in (database, databases.make(database.vintage, migrated=True)):
        one.run("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
        if one is database:
            give_rights(one.url)
            continue
        printed = _grants(one, "--sql")
        assert not re.search(r"FUNCTION (?!resumer\.)|TABLE (?!resumer\.)", printed)
        with one.connect() as connection:
            connection.execute("SET search_path = ''")
            connection.execute(printed.encode())
        assert _grants(one, "--sql") == ""
        assert dumped(one, "catalogue") == dumped(database, "catalogue")


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
    """A statement that calls a function without a grant fails here."""
    give_rights(database.url)
    texts = [TEXTS[name] for name in NAMES]
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


# statements that an administrator runs: `migrate`, `token`
ADMINISTRATION = {
    "migrate.delete_migration",
    "migrate.insert_migration",
    "migrate.set_adopt_blocked",
    "tokens.create_token",
    "tokens.revoke_token",
}
WRITES = {
    "INSERT": r"INSERT INTO resumer\.(\w+)",
    "UPDATE": r"UPDATE resumer\.(\w+)|INSERT INTO resumer\.(\w+)(?=[^;]*DO UPDATE)",
    "DELETE": r"DELETE FROM resumer\.(\w+)",
}
HELD = (
    "SELECT c.relname::text, v.verb FROM pg_class c"
    " CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS v (verb)"
    " WHERE c.relnamespace = 'resumer'::regnamespace AND c.relkind IN ('r', 'p', 'v')"
    " AND CASE v.verb WHEN 'DELETE' THEN has_table_privilege(%(role)s, c.oid, v.verb)"
    " ELSE has_any_column_privilege(%(role)s, c.oid, v.verb) END"
)


def test_of_our_tables_the_daemon_writes_what_its_statements_write_and_nobody_else_does(
    database: Database,
):
    """A statement that writes a table without a grant fails here (grants.missing_grants)."""
    give_rights(database.url)
    needed = set()
    for name in set(NAMES) - ADMINISTRATION:
        text = re.sub(r"--.*", "", TEXTS[name])
        for verb, pattern in WRITES.items():
            for found in re.finditer(pattern, text):
                needed.add((found[1] or found[2], verb))
    with database.connect() as connection:
        for role in MAY:
            held = set(connection.execute(HELD, {"role": role}).fetchall())
            if role != "resumer_owner":
                assert held == (needed if role == "resumer_daemon" else set()), role


def test_an_operator_leaves_requests_through_functions_alone(database: Database):
    """A row that it wrote itself could name another actor, or have been applied already."""
    give_rights(database.url)
    rows = Rows.of(database)
    execution = rows.execution()
    database.run(
        "INSERT INTO resumer.outbox (key, execution_id, kind, body, state)"
        " VALUES ('dead', %s, 'notify', '{}', 'dead'), ('late', %s, 'notify', '{}', 'pending')",
        execution,
        execution,
    )
    with member_of(database, "resumer_operator") as operator:
        for forged in (
            "INSERT INTO resumer.resume_requests (kind, actor) VALUES ('start', 'somebody')",
            "UPDATE resumer.resume_requests SET actor = 'somebody'",
            "UPDATE resumer.outbox SET state = 'pending'",
            "SELECT FROM resumer.tokens",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                operator.run(forged)
        [(name,)] = operator.run("SELECT session_user")
        operator.run("SELECT resumer.adopt(%s)", execution)
        with pytest.raises(psycopg.Error, match="no execution"):
            operator.run("SELECT resumer.adopt(gen_random_uuid())")
        assert operator.run("SELECT resumer.retry_message('late')") == []
        assert operator.run("SELECT resumer.retry_message()") == [("dead",)]
    left = "SELECT kind::text, actor, reason FROM resumer.resume_requests"
    assert database.run(left) == [("adopt", name, "adopt --since")]
    assert database.run("SELECT DISTINCT state FROM resumer.outbox") == [("pending",)]


# what operators and administrators run
OPERATED = (
    "commands.approve",
    "commands.emit",
    "commands.reject",
    "commands.request_adoption",
    "commands.start",
    "commands.start_like",
    "commands.upsert_workflow",
    "outbox.retry_messages",
)


@both_vintages
async def test_the_daemon_may_run_every_statement_that_is_not_for_others(database: Database):
    """EXPLAIN checks the rights on each table and column."""
    give_rights(database.url)
    async with await connect(database.url) as connection:
        features = await service_schema.probe(connection, "public")
    denied = set()
    with database.connect() as session:
        session.execute("SET search_path = pg_catalog, resumer, pg_temp")
        session.execute("SET plan_cache_mode = force_generic_plan; SET ROLE resumer_daemon")
        for name in set(NAMES) - ADMINISTRATION:
            text, parameters = numbered(load(name, features, "public"))
            session.pgconn.prepare(name.encode(), text)
            values = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
            try:
                session.execute(f'EXPLAIN EXECUTE "{name}"{values}')
            except errors.InsufficientPrivilege:
                denied.add(name)
            except psycopg.Error:
                continue  # nothing that is planned, or a NULL that it does not take
    assert sorted(denied) == [*OPERATED]
