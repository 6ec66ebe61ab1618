"""Secrets that were put wherever they may be are in nothing that anybody can read afterwards."""

import asyncio
import json
import re
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from psycopg import sql
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, eventually_sync
from tests.harness.client import Client
from tests.harness.faulty import FAULTS
from tests.harness.receiver import answering, receiver
from tests.harness.running import Process, process
from tests.harness.service import Service, allow, ask

CANARY = "canary-4711"
SIGNER = b64encode(CANARY.encode() * 3).decode()
ADDRESS = r"http://127\.0\.0\.1:\d+"
TOKEN = "{{secrets.TOKEN}}"  # noqa: S105 - a reference


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def listed(name: str, *acts: dict[str, Any], **step: Any) -> dict[str, Any]:
    return {"id": name, "type": "execute", "execute": list(acts), **step}


def hook(url: str) -> dict[str, Any]:
    return {"type": "webhook", "url": f"{url}?t={TOKEN}", "body": {"t": TOKEN, TOKEN: 1},
            "headers": {"Authorization": f"Bearer {TOKEN}"}}  # fmt: skip


def flow(service: Service, url: str, wrong: str) -> None:
    """Reveal it wherever a definition can: sent, logged, told, asked, refused, failed."""
    text = f"it is {TOKEN}"
    once = {"max_attempts": 2, "retry_on": ["5xx"], "backoff": "linear"}
    service.workflow(
        listed("log", {"type": "log", "message": text}, next="send"),
        listed("send", hook(url), next="fails"),
        listed("fails", hook(url), retry=once, on_error="nobody", next="nobody"),
        listed("nobody", hook(wrong), on_error="tell", next="tell"),
        listed("tell", {"type": "notify", "recipients": [TOKEN], "message": text}, next="write"),
        listed("write", {"type": "create_record", "entity": "e", "data": {"t": TOKEN}},
               on_error="ask", next="ask"),
        ask("ask", reason=text, on_true="release"),
        allow(),
        name="flow",
    )  # fmt: skip


def settings(url: str) -> dict[str, Any]:
    record = {"table": "kept", "columns": ["t"]}
    endpoint = {"url": url, "headers": {"X-A": TOKEN}}
    return {
        "secret_token": CANARY,
        "webhook_secret": f"whsec_{SIGNER}",
        "notification_routes": json.dumps({"*": f"json://user:{CANARY}@127.0.0.1:1/"}),
        "record_targets": json.dumps({"e": record}),
        "context_endpoints": json.dumps({"customer": endpoint}),
        "jwt_secret": CANARY * 4,
        "http_allow": "localhost, 127.0.0.1",
        "log_level": "debug",
        "notification_attempts": 1,
        "lease": "6s", "effect_deadline": "2s", "drain_timeout": "1s",
    }  # fmt: skip


def at_hand(service: Service) -> str:
    """Return the address of the database, with a password."""
    parts = urlsplit(service.database.url)
    return urlunsplit(parts._replace(netloc=f"postgres:{CANARY}@{parts.hostname or ''}"))


def everything(database: Database) -> str:
    """Return every row of every table of ours and of the service as text."""
    with database.connect() as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'resumer')"
        ).fetchall()
        texts = [
            connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*each)))
            for each in tables
        ]
        return "\n".join(text for cursor in texts for (text,) in cursor.fetchall())


def found(daemon: Process, service: Service, key: str, log: Path) -> dict[str, str]:
    """Return all that can be read of it, by where."""
    command = CliRunner().invoke(
        app, ["show", key, "--json"], env={"RESUMER_DATABASE_URL": service.database.url}
    )
    assert command.exit_code == 0, command.output
    return {
        "metrics": daemon.get("/metrics")[1],
        "rows": everything(service.database),
        "show": command.output,
        "log": log.read_text(),
    }


async def test_a_secret_is_sent_and_is_nowhere_else(service: Service, tmp_path: Path):
    echo = answering(f"you said {CANARY}")
    fails = answering(json.dumps({"token": CANARY}), status=500)
    log = tmp_path / "log"
    address = at_hand(service)

    def work(url: str) -> dict[str, str]:
        flow(service, url, f"http://localhost:1/{TOKEN}")
        with process(address, log, **settings(url)) as daemon:
            execution = service.start(payload={"order": 1})
            service.until(execution, "paused")
            dead = "SELECT 1 FROM resumer.outbox WHERE state = 'dead'"
            eventually_sync(lambda: service.database.run(dead))
            [(key,)] = service.database.run("SELECT execution_id FROM workflow_executions")
            return found(daemon, service, key, log)

    async with receiver(echo, fails, fails) as here:
        places = await asyncio.to_thread(work, here.url())
    assert len(here.requests) == 3
    assert all(CANARY in each.headers["authorization"] for each in here.requests)
    for secret in (CANARY, SIGNER):
        assert {where for where, text in places.items() if secret in text} == set()
    assert TOKEN in places["rows"]
    [(told,)] = service.database.run("SELECT body ->> 'message' FROM resumer.outbox")
    assert told == f"it is {TOKEN}"
    assert "a secret cannot be written to a table" in places["rows"]


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_traceback_shows_where_it_was_and_no_secret_that_was_at_hand(
    service: Service, tmp_path: Path, fault: str, form: str
):
    log = tmp_path / "log"
    hidden = settings("http://localhost:1/") | {"log_format": form, "fault": fault}
    flow(service, "http://localhost:1/", "http://localhost:1/")
    daemon = Process(at_hand(service), log, "tests.harness.faulty", **hidden)
    with closing(daemon):
        if fault == "http_failed":
            [address] = eventually_sync(lambda: re.findall(ADDRESS, log.read_text()))
            assert Client(address, CANARY).get("/ledger").status == 500
        elif fault != "Traceback":
            service.start(payload={"canary": CANARY})
        eventually_sync(lambda: fault in log.read_text())
        eventually_sync(lambda: "a fault of ours, with 1 headers" in log.read_text())
        if fault == "Traceback":
            assert daemon.wait() != 0
    text = log.read_text()
    assert {secret for secret in (CANARY, SIGNER) if secret in text} == set()
