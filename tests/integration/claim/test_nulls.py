"""Columns of the service that refuse NULL: those that would fail our writes are found first."""

import pytest
from psycopg import sql

from resumer_daemon.errors import ContractError, Mismatch
from resumer_daemon.store.service_schema import EMPTIED, FILLED, NO_DEFAULT, NOT_NULL
from resumer_daemon.store.session import Database as Store
from tests.harness import Database
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

both = pytest.mark.parametrize("vintage", ["v1", "v5"])


async def refused(database: Database) -> set[Mismatch]:
    with pytest.raises(ContractError) as error:
        await Store(database.url).session()
    return set(error.value.mismatches)


def refuse_null(database: Database, table: str, column: str) -> None:
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL")
    with database.connect() as connection:
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(column)))


@both
@pytest.mark.parametrize("table", FILLED)
async def test_a_column_that_we_do_not_know_and_must_fill_is_named(database: Database, table: str):
    with database.connect() as connection:
        statement = sql.SQL("ALTER TABLE {} ADD COLUMN tenant text NOT NULL")
        connection.execute(statement.format(sql.Identifier(table)))
    expected = "NULL allowed or a default"
    assert await refused(database) == {Mismatch(f"public.{table}", "tenant", expected, NO_DEFAULT)}


@both
@pytest.mark.parametrize("table", EMPTIED)
async def test_a_column_that_we_empty_is_named_whatever_its_default(database: Database, table: str):
    for column in EMPTIED[table]:
        refuse_null(database, table, column)
    database.run("ALTER TABLE workflow_executions ALTER COLUMN result SET DEFAULT 'none'")
    assert await refused(database) == {
        Mismatch(f"public.{table}", column, "NULL allowed", NOT_NULL) for column in EMPTIED[table]
    }


@pytest.mark.parametrize("vintage", ["v5"])
async def test_a_column_that_we_empty_where_it_is_there_is_named(database: Database):
    refuse_null(database, "workflow_executions", "wait_state")
    refuse_null(database, "workflow_executions", "paused_step_id")  # a UUID: we leave it alone
    found = {(m.column, m.found) for m in await refused(database)}
    assert found == {("wait_state", NOT_NULL), ("paused_step_id", NO_DEFAULT)}


async def test_an_organisation_that_we_know_of_nowhere_is_named(database: Database):
    database.run("ALTER TABLE step_executions ADD COLUMN organization_id uuid NOT NULL")
    assert [m.column for m in await refused(database)] == ["organization_id"]


@both
def test_what_we_always_fill_may_refuse_null_and_what_fills_itself_may_too(database: Database):
    for table, columns in FILLED.items():
        for column in columns:
            refuse_null(database, table, column)
    database.run(
        "ALTER TABLE step_executions ADD COLUMN seen boolean NOT NULL DEFAULT false,"
        " ADD COLUMN number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,"
        " ADD COLUMN doubled integer NOT NULL GENERATED ALWAYS AS (duration_ms * 2) STORED"
    )
    service = Service(database)
    broken = {"id": "odd", "type": "condition", "condition": {"field": "a.b", "operator": "?"}}
    service.workflow(ask(on_false="odd"), allow(), broken)
    database.run("SELECT resumer.emit('paid')")
    with running(database):
        for said, ending in (("approved", "completed"), ("rejected", "failed")):
            execution = service.paused()
            service.decide(service.asked(execution)[0], said)
            assert service.ended(execution)["status"] == ending


async def test_a_column_that_a_trigger_fills_is_well(database: Database):
    with database.connect() as connection:
        connection.execute(
            "ALTER TABLE step_executions ADD COLUMN tenant text NOT NULL;"
            " CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN new.tenant := 'x'; RETURN new; END$$;"
            " CREATE TRIGGER fill BEFORE INSERT ON step_executions"
            " FOR EACH ROW EXECUTE FUNCTION fill()"
        )
    session = await Store(database.url).session()
    await session.connection.close()
