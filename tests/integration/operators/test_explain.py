"""Explain: for every reason that it can give, the sentence and what would move it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from resumer_daemon.store.migration_files import known
from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.receiver import answering, receiver
from tests.harness.running import process
from tests.harness.service import Service, allow
from tests.integration.operators.explained import CASES, KEY, Case

GOLDEN = Path(__file__).with_name("explained.json")


def explain(database: Database, execution: UUID) -> dict[str, Any]:
    [(found,)] = database.run("SELECT resumer.explain(%s)", execution)
    return dict(found)


def reason(database: Database, case: Case, code: str) -> dict[str, Any]:
    found = explain(database, case.execution)
    [given] = [each for each in found["reasons"] if each["code"] == code]
    said = {name: given[name] for name in ("sentence", "sql", "command")}
    masked: dict[str, Any] = json.loads(json.dumps(said).replace(str(case.execution), "ID"))
    return masked


@pytest.mark.parametrize("vintage", ["v5"])
@pytest.mark.parametrize("code", CASES)
def test_a_reason_reads_as_it_should(database: Database, code: str):
    case = Case.of(database)
    CASES[code](case)
    workers = 1 if code == "no_listener" else 0
    connections = [database.connect(application_name="resumer-worker") for _ in range(workers)]
    try:
        assert reason(database, case, code) == json.loads(GOLDEN.read_text())[code]
    finally:
        for connection in connections:
            connection.close()


def test_every_reason_has_a_case_and_every_case_a_reason():
    text = "\n".join(migration.up.decode() for migration in known())
    given = set(re.findall(r"resumer\.reason\(\d+, '(\w+)'", text)) | {
        "message_dead",
        "message_late",
    }
    assert given == CASES.keys() == json.loads(GOLDEN.read_text()).keys()


def test_what_would_move_it_can_be_run(database: Database):
    """Every statement is one that the database understands."""
    for said in json.loads(GOLDEN.read_text()).values():
        if said["sql"]:
            statement = said["sql"].replace("ID", str(uuid4()))
            with database.connect() as connection, connection.transaction(force_rollback=True):
                connection.execute(
                    f"PREPARE it AS {statement}" if statement.startswith("S") else statement
                )


@every_vintage
def test_what_keeps_it_comes_before_what_it_would_wait_for(database: Database):
    case = Case.of(database)
    CASES["on_hold"](case)
    found = explain(database, case.execution)
    codes = [each["code"] for each in found["reasons"]]
    assert codes == ["on_hold", "waits_for_event", "no_daemon"]
    assert found["summary"] == found["reasons"][0]["sentence"]
    assert (found["execution_id"], found["workflow"], found["status"]) == (KEY, "flow", "paused")
    assert found["organization_id"] == (case.rows.organization and str(case.rows.organization))


def test_an_unknown_execution_is_refused(database: Database):
    with pytest.raises(psycopg.Error, match="no execution") as caught:
        explain(database, uuid4())
    assert caught.value.sqlstate == "RZ404"


async def test_a_webhook_whose_receiver_asks_for_an_hour_is_due_in_an_hour_whoever_runs_it(  # C16
    database: Database, tmp_path: Path
):
    """The lease is shorter. Nobody sends before, also when another daemon takes over."""
    settings = {"http_allow": "localhost", "lease": "6s", "effect_deadline": "1s"}
    settings["drain_timeout"] = "1s"
    service = Service(database)

    def rests() -> dict[str, Any] | None:
        found = explain(database, execution)["reasons"]
        return next((each for each in found if each["code"] == "effect_delayed"), None)

    def waits(log: str) -> list[Any]:
        with process(database, tmp_path / log, **settings) as daemon:
            eventually_sync(rests)
            eventually_sync(lambda: held(database) == [(True,)])
            daemon.kill()
        return database.run("SELECT next_at FROM resumer.effects")

    async with receiver(answering(status=503, headers=("Retry-After: 3600",))) as here:
        act = {"type": "webhook", "url": here.url()}
        step = {"id": "send", "type": "execute", "execute": [act], "retry": {"max_attempts": 3}}
        service.workflow(step, allow())
        execution = service.start()
        first = await asyncio.to_thread(waits, "first")
        said = rests()
        assert said is not None
        assert said["sentence"].startswith("Attempt 2 of the webhook at send#0 is due in ")
        assert said["sentence"].endswith("; previous attempt: webhook answered 503.")
        [(hours,)] = database.run(
            "SELECT extract(epoch FROM %s::timestamptz - finished_at) / 3600 FROM resumer.effects",
            said["until"],
        )
        assert 0.99 < hours < 1.11
        database.run("UPDATE resumer.leases SET lease_until = now() - interval '1 second'")
        assert await asyncio.to_thread(waits, "second") == first
        assert len(here.requests) == 1


def held(database: Database) -> list[Any]:
    """Tell whether a lease lasts for as long as its effects rest."""
    return database.run(
        "SELECT l.lease_until > f.next_at FROM resumer.leases l JOIN resumer.effects f"
        " USING (execution_id)"
    )
