"""Records are rows that are written with their step, or requests to a URL."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from resumer_daemon.config import load_settings
from resumer_daemon.errors import SettingsError
from tests.harness import Database, eventually_sync
from tests.harness.receiver import answering, receiver
from tests.harness.running import process, running
from tests.harness.service import Service, allow

T = TypeVar("T")

TABLE = {"table": "shop.invoices", "key": "number", "columns": ["total", "state", "lines"]}
RECORDS = json.dumps({"invoice": TABLE})
INVOICES = "SELECT number, total, state, lines FROM shop.invoices ORDER BY number"


@pytest.fixture
def service(database: Database) -> Service:
    database.run("CREATE SCHEMA shop")
    database.run(
        "CREATE TABLE shop.invoices (number serial PRIMARY KEY, total numeric CHECK (total > 0),"
        " state text NOT NULL DEFAULT 'new', lines jsonb, secret text)"
    )
    return Service(database)


def creates(data: Any, **step: Any) -> dict[str, Any]:
    act = {"type": "create_record", "entity": "invoice", "data": data}
    return {"id": "write", "type": "execute", "execute": [act], "next": "release", **step}


def updates(number: object, data: Any) -> dict[str, Any]:
    act = {"type": "update_record", "entity": "invoice", "entity_id": number, "data": data}
    return {"id": "write", "type": "execute", "execute": [act], "next": "release"}


def ended(service: Service, *steps: Any, records: str = RECORDS, **payload: Any) -> dict[str, Any]:
    """Run a workflow of these steps to its end and return its execution."""
    service.workflow(*steps, allow())
    with running(service.database, record_targets=records):
        return service.ended(service.start(payload=payload))


def outputs(service: Service) -> list[Any]:
    rows = service.database.run(
        "SELECT output #> '{data,execute_results,0}' FROM step_executions WHERE step_id = 'write'"
    )
    return [output for (output,) in rows]


def test_create_record_inserts_a_row(service: Service):
    data = {"total": "{{total}}", "lines": [{"sku": "{{sku}}"}]}
    assert ended(service, creates(data), total=12.5, sku="a'b\"")["result"] == "allowed"
    [(number, total, state, lines)] = service.database.run(INVOICES)
    assert (float(total), state, lines) == (12.5, "new", [{"sku": "a'b\""}])
    [output] = outputs(service)
    assert output["success"] is True
    assert output["id"] == str(number)
    assert service.database.run("SELECT kind, status FROM resumer.effects") == [("record", "done")]


def test_update_record_changes_the_given_columns_of_one_row(service: Service):
    service.database.run("INSERT INTO shop.invoices (total, state) VALUES (1, 'a'), (2, 'b')")
    assert ended(service, updates("{{n}}", {"state": "paid"}), n=2)["result"] == "allowed"
    assert service.database.run("SELECT total, state FROM shop.invoices ORDER BY total") == [
        (1, "a"),
        (2, "paid"),
    ]


REFUSED = {
    "a column that is not allowed": (creates({"secret": "x"}), "columns that are not allowed"),
    "no data": (creates({}), "needs data"),
    "a list": (creates([1]), "needs data"),
    "a secret": (creates({"state": "{{secrets.TOKEN}}"}), "a secret cannot be written"),
    "a value of another type": (creates({"total": "much"}), "record refused (22P02)"),
    "a row that is not there": (updates(7, {"state": "x"}), "record refused (02000)"),
    "a key of another type": (updates("x'; DROP", {"state": "x"}), "record refused (22P02)"),
    "a broken constraint": (creates({"total": -1}), "record refused (23514)"),
    "a NULL": (creates({"state": None}), "record refused (23502)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_record_fails_its_step_only(service: Service, case: str):
    step, error = REFUSED[case]
    look = {"id": "look", "type": "action", "action": "allow"}
    row = ended(service, step | {"on_error": "look"}, look)
    assert row["result"] == "allowed"
    [output] = outputs(service)
    assert error in output["error"]
    assert service.database.run(INVOICES) == []


def test_missing_table_fails_the_step(service: Service):
    records = json.dumps({"invoice": TABLE | {"table": "shop.nowhere"}})
    row = ended(service, creates({"total": 1}), records=records)
    assert (row["status"], row["result"]) == ("failed", "failed")
    assert "42P01" in row["error_message"]


def test_failed_record_is_retried(service: Service, database: Database):
    """Another program removes the violated constraint."""
    database.run("ALTER TABLE shop.invoices ADD CHECK (total < 10)")
    service.workflow(creates({"total": 11}, retry={"max_attempts": 50}), allow())
    with running(database, record_targets=RECORDS):
        execution = service.start()
        eventually_sync(lambda: database.run("SELECT 1 FROM resumer.effects WHERE attempts > 1"))
        database.run("ALTER TABLE shop.invoices DROP CONSTRAINT invoices_total_check1")
        assert service.ended(execution)["result"] == "allowed"
    assert len(database.run(INVOICES)) == 1


def test_record_is_written_once_after_a_kill(service: Service, tmp_path: Path):
    """The daemon is killed while the recording transaction waits for a lock."""
    database = service.database
    service.workflow(creates({"total": 1}, delivery="at_most_once"), allow())
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'write_rec'"
    short: dict[str, Any] = {"lease": "2s", "effect_deadline": "1s", "drain_timeout": "1s"}
    short["record_targets"] = RECORDS
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE shop.invoices IN SHARE MODE")
        with process(database, tmp_path / "first.log", **short) as first:
            execution = service.start()
            eventually_sync(lambda: database.run(waits))
            first.kill()
    with running(database, **short):
        assert service.ended(execution)["result"] == "allowed"
    assert len(database.run(INVOICES)) == 1


async def test_record_is_sent_to_a_url(service: Service):
    async with receiver(answering()) as here:
        target = {"url": here.url("/tickets/{id}"), "headers": {"X-Key": "{{secrets.DESK}}"}}
        act = {"type": "update_record", "entity": "ticket", "entity_id": "a/b", "data": {"x": 1}}
        service.workflow({"id": "write", "type": "execute", "execute": [act], "next": "release"},
                         allow())  # fmt: skip

        def work() -> None:
            with running(
                service.database, http_allow="localhost", record_targets={"ticket": target}
            ):
                assert service.ended(service.start())["result"] == "allowed"

        await beside(work)
    [request] = here.requests
    assert request.head.startswith(b"PATCH /tickets/a%2Fb ")
    assert request.headers["x-key"] == "desk-canary"
    assert json.loads(request.body) == {"entity": "ticket", "entity_id": "a/b", "data": {"x": 1}}
    stored = service.database.run("SELECT request::text, response::text FROM resumer.effects")
    assert "canary" not in str(stored)


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESUMER_SECRET_DESK", "desk-canary")


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def test_entity_without_a_target_goes_to_the_outbox(service: Service):
    assert ended(service, creates({"total": 1}), records="{}")["result"] == "allowed"
    assert service.database.run("SELECT kind FROM resumer.outbox") == [("create_record",)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "invoices"},
        {"columns": ["a"]},
        {"table": "a", "columns": ["b"], "url": "https://x.example/"},
        {"table": "a.b.c", "columns": ["b"]},
        {"table": 'a"; DROP', "columns": ["b"]},
        {"table": "a", "columns": ["b"], "key": "x y"},
        {"table": "resumer.leases", "columns": ["epoch"]},
        {"table": "pg_catalog.pg_class", "columns": ["relname"]},
        {"url": "file:///etc/passwd"},
    ],
)
def test_invalid_record_target_is_a_settings_error(wrong: dict[str, Any]):
    with pytest.raises(SettingsError, match="RESUMER_RECORD_TARGETS"):
        load_settings(
            database_url="postgresql://h/d", record_targets=json.dumps({"invoice": wrong})
        )
