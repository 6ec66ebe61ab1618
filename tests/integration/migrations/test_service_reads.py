"""The existing service reads our rows: no NULL in its texts, steps in their order."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from resumer_daemon.workflow.values import dump, load
from tests.harness import Database, eventually_sync
from tests.harness.database import every_vintage
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Document, Service, allow, ask

STORIES = Path(__file__).parents[2] / "conformance" / "workflows"
TEXTS = (
    ("approval_requests", "entity_type"), ("approval_requests", "entity_id"),
    ("approval_requests", "approver_role"), ("events", "source"),
    ("workflow_executions", "trigger_event"), ("step_executions", "step_type"),
)  # fmt: skip
LOG = {"type": "execute", "execute": [{"type": "log", "message": "m"}]}


def nulls(database: Database) -> dict[str, int]:
    """Count, by column, the rows that the service could not read into a text."""
    counts = {
        f"{table}.{column}": database.run(f"SELECT count(*) FROM {table} WHERE {column} IS NULL")[
            0
        ][0]
        for table, column in TEXTS
    }
    return {column: count for column, count in counts.items() if count}


def begun(database: Database, execution: object) -> list[str]:
    """Return the steps in the order in which the service shows them."""
    rows = database.run(
        "SELECT step_id FROM step_executions WHERE execution_id = %s ORDER BY started_at", execution
    )
    return [step for (step,) in rows]


def send(url: str) -> Document:
    return {"type": "execute", "execute": [{"type": "webhook", "url": url}]}


@every_vintage
def test_the_service_can_read_every_row_of_every_story(database: Database):  # C19
    service = Service(database)
    cases = [c for file in sorted(STORIES.glob("*.json")) for c in load(file.read_text())["cases"]]
    stories = [
        (
            f"w{number}",
            dump(case.get("definition", {"steps": case.get("steps")})),
            dump(case.get("context", {})),
        )
        for number, case in enumerate(cases)
    ]
    with database.connect() as connection:
        connection.cursor().executemany(
            "INSERT INTO workflows (workflow_id, version, name, definition"
            f"{', organization_id' if service.owner else ''}) VALUES (%s, '1', 'w', %s::jsonb"
            f"{', %s' if service.owner else ''})",
            [(name, definition, *service.owner.values()) for name, definition, _ in stories],
        )
        with running(database):
            connection.cursor().executemany(
                "SELECT resumer.start(%s, %s::jsonb)",
                [(name, payload) for name, _, payload in stories],
            )
            connection.execute("SELECT resumer.emit('paid')")
            began_all(database)
            assert database.run("SELECT count(*) > 20 FROM approval_requests") == [(True,)]
            assert nulls(database) == {}


def began_all(database: Database) -> None:
    """Wait until no execution is only queued."""
    pending = "SELECT count(*) FROM workflow_executions WHERE status = 'pending'"
    eventually_sync(lambda: database.run(pending) == [(0,)], of="all have begun")


def test_an_approval_without_an_entity_is_about_its_execution(database: Database):  # C19
    service = Service(database)
    service.workflow({"id": "g", "type": "require_approval"})
    with running(database):
        execution = service.paused()
    assert database.run("SELECT entity_type, entity_id FROM approval_requests") == [
        ("execution", service.look(execution)["execution_id"])
    ]


async def test_steps_around_a_webhook_are_in_the_order_of_their_beginning(
    database: Database,
):  # C20
    service = Service(database)
    async with receiver(answering("ok")) as there:
        service.workflow(
            {"id": "a", **LOG, "next": "b"}, {"id": "b", **send(there.url()), "next": "p"},
            {"id": "p", "type": "parallel", "next": "f", "steps": [
                {"id": "w", **send(there.url())}, {"id": "l", **LOG}]},
            {"id": "f", "type": "foreach", "next": "c", "items": "{{list}}", "item_var": "item",
             "steps": [{"id": "one", **LOG}, {"id": "two", **send(there.url())}]},
            {"id": "c", **LOG},
        )  # fmt: skip
        expected = ["a", "b", "p", "w", "l", "f", "one", "two", "one", "two", "c"]
        with running(database, http_allow="localhost"):
            started = [service.start(payload={"list": [1, 2]}) for _ in range(20)]
            for execution in started:
                await asyncio.to_thread(service.ended, execution)
                assert begun(database, execution) == expected


def test_steps_of_a_long_foreach_are_in_the_order_of_their_beginning(database: Database):  # C51
    service = Service(database)
    each = {"id": "each", "type": "foreach", "next": "after", "items": "{{list}}",
            "item_var": "item", "steps": [{"id": "one", **LOG}, {"id": "two", **LOG}]}  # fmt: skip
    service.workflow({"id": "before", **LOG, "next": "each"}, each, {"id": "after", **LOG})
    with running(database):
        execution = service.start(payload={"list": list(range(1100))})
        service.ended(execution)
    assert begun(database, execution) == ["before", "each", *["one", "two"] * 1100, "after"]


def test_steps_behind_a_pause_begin_after_it_although_the_clock_went_back(
    database: Database,
):  # C20
    service = Service(database)
    service.workflow(ask("one", on_true="two"), ask("two"), allow())
    with running(database):
        execution = service.paused()
        # what the rows show when the server's clock then goes back by an hour
        database.run("UPDATE resumer.pauses SET paused_at = paused_at + interval '1 h'")
        database.run("UPDATE step_executions SET started_at = started_at + interval '1 h'")
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: service.pause(execution)["number"] == 2)
        service.decide(service.asked(execution)[0], "approved")
        service.ended(execution)
    assert begun(database, execution) == ["one", "two", "release"]


@pytest.mark.parametrize("vintage", ["v5"])
def test_a_wait_is_shown_in_the_form_of_the_service(database: Database):  # C24
    service = Service(database)
    service.workflow(
        {"id": "pay", "type": "wait", "on_event": "rest", "wait": {
            "event": "paid", "timeout": "2h", "on_timeout": "late", "match": {"a": 1}}},
        {"id": "rest", "type": "wait", "for": "1h", "next": "late"}, allow("late"),
    )  # fmt: skip
    with running(database):
        execution = service.paused()
        shown = service.look(execution)["wait_state"]
        assert shown.keys() == {"event", "timeout_at", "on_timeout", "waiting_since"}
        assert (shown["event"], shown["on_timeout"]) == ("paid", "late")
        lasts = moment(shown["timeout_at"]) - moment(shown["waiting_since"])
        assert abs(lasts.total_seconds() - 7200) < 60
        [(status,)] = database.run("SELECT resumer.status(%s)", execution)
        assert (status["next_step_id"], status["on_timeout"]) == ("rest", "late")
        database.run("SELECT resumer.emit('paid', %s)", Jsonb({"a": 1}))
        eventually_sync(lambda: service.pause(execution)["number"] == 2)
        shown = service.look(execution)["wait_state"]
        assert (shown["event"], shown["on_timeout"]) == ("", "late")
        database.run("SELECT resumer.cancel(%s, 'mia', 'enough')", execution)
        assert service.ended(execution)["wait_state"] is None


def test_the_status_tells_where_every_answer_leads(database: Database):  # C24
    service = Service(database)
    service.workflow(ask(on_false="no", on_timeout="late"), allow(), allow("no"), allow("late"))
    with running(database):
        execution = service.paused()
    [(status,)] = database.run("SELECT resumer.status(%s)", execution)
    ways = [status[name] for name in ("next_step_id", "on_reject", "on_timeout")]
    assert ways == ["release", "no", "late"]


def moment(text: Any) -> datetime:
    """Read what Go's RFC 3339 reads."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    return datetime.fromisoformat(text).astimezone(UTC)
