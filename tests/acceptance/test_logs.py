"""Log lines have ids as fields, and neither data nor control characters."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.receiver import answering, receiver
from tests.harness.running import process
from tests.harness.service import Service, allow, ask

CANARY = "the-canary-of-a-customer"
ESCAPE = "\x1b[2J\x1b]0;owned\x07\nforged line"
NOT_COMPLETED = "ALTER TABLE workflow_executions ADD CHECK (status <> 'completed') NOT VALID"


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def poisoned(service: Service) -> UUID:
    """End an execution whose end cannot be written. The server's error quotes the whole row."""
    service.workflow(ask(), allow(), name="poisoned")
    execution = service.paused("poisoned", {"note": CANARY})
    service.database.run(NOT_COMPLETED)
    service.decide(service.asked(execution)[0], "approved", reason=CANARY)
    eventually_sync(lambda: service.standing(execution) == ("paused", "incident"))
    return execution


async def test_log_fields_are_ids_without_payload(
    service: Service, database: Database, tmp_path: Path
):
    async with receiver(answering(CANARY)) as here:
        act = {"type": "webhook", "url": here.url(), "body": {"note": CANARY}}
        service.workflow(ask(on_true="send"), {"id": "send", "type": "execute", "execute": [act]})

        def play() -> tuple[str, UUID]:
            settings = {"log_format": "json", "log_level": "debug", "http_allow": "localhost"}
            with process(database, tmp_path / "log", **settings) as daemon:
                eventually_sync(daemon.ready)
                execution = service.paused(payload={"note": CANARY})
                service.decide(service.asked(execution)[0], "approved", reason=CANARY)
                service.ended(execution)
                poisoned(service)
            return (tmp_path / "log").read_text(), execution

        text, execution = await asyncio.to_thread(play)
    lines = [json.loads(line) for line in text.splitlines()]
    assert CANARY not in text
    key = service.look(execution)["execution_id"]
    moves = [x for x in lines if x["event"] == "execution_moved" and x["execution"] == key]
    assert [(m["trigger"], m["status"], m["pause"], m["step"]) for m in moves] == [
        ("start", "paused", 1, "ask"),
        ("approval", "running", None, None),
        ("effect", "completed", None, None),
    ]
    assert all(isinstance(move["request"], int) for move in moves[:2])
    [attempt] = [x for x in lines if x["event"] == "effect_attempted"]
    assert (attempt["epoch"], attempt["attempt"], attempt["outcome"]) == (1, 1, "done")
    assert attempt["step"].startswith("send")
    [failed] = [x for x in lines if x["event"] == "batch_not_written"]
    assert "violates check constraint" in failed["error"]


@pytest.mark.parametrize("form", ["console", "json"])
def test_log_escapes_control_characters(
    service: Service, database: Database, tmp_path: Path, form: str
):
    service.workflow(ask(ESCAPE), allow())
    with process(database, tmp_path / "log", log_format=form, log_level="debug"):
        service.paused()
    text = (tmp_path / "log").read_text()
    assert "owned" in text
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith("forged")]


def test_log_has_no_password(database: Database, tmp_path: Path):
    url = f"postgresql://somebody:{CANARY}@127.0.0.1:1/nothing"
    with process(url, tmp_path / "log", log_format="console", log_level="debug") as daemon:
        eventually_sync(lambda: "database_lost" in (tmp_path / "log").read_text())
        eventually_sync(lambda: "listener_lost" in (tmp_path / "log").read_text())
        daemon.kill()
    assert CANARY not in (tmp_path / "log").read_text()
