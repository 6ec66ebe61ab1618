"""A manual pause: before the next step of what runs, or over a pause; nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.harness import Database, eventually_sync
from tests.harness.receiver import Receiver, answering, receiver
from tests.harness.running import running
from tests.harness.service import Document, Service, allow, ask


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with running(database, http_allow="localhost"):
        yield Service(database)


def pause(service: Service, execution: UUID, reason: str = "stock count") -> None:
    service.database.run("SELECT resumer.pause(%s, %s, 'mia')", execution, reason)


def held(service: Service, execution: UUID) -> None:
    eventually_sync(lambda: service.standing(execution) == ("paused", "manual"), of="held")
    [(told,)] = service.database.run("SELECT resumer.status(%s)", execution)  # C12
    assert (told["paused_reason"], told["waiting_for"]["reason"]) == ("manual", "stock count")


def resume(service: Service, execution: UUID, more: str = "") -> None:
    asked = f"SELECT resumer.resume(%s, actor => 'mia', reason => 'on' {more})"
    service.database.run(asked, execution)


def of_kind(service: Service, execution: UUID, kind: str) -> list[str | None]:
    return [outcome for k, _, outcome in service.requests(execution) if k == kind]


def settled(service: Service, execution: UUID, kind: str, *outcomes: str) -> None:
    eventually_sync(lambda: of_kind(service, execution, kind) == list(outcomes), of=f"{kind}s")


def wait(event: str = "paid", **more: Any) -> Document:
    return {"id": "wait", "type": "wait", "wait": {"event": event, **more}, "next": "release"}


def test_a_decision_for_what_is_held_is_kept_and_counts_after_the_resume(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    pause_record = service.pause(execution)
    assert (pause_record["number"], pause_record["reason"]) == (1, "manual")
    assert pause_record["manual_pause"]["actor"] == "mia"
    assert pause_record["manual_pause"]["before"] == "approval_required"
    service.decide(service.asked(execution)[0], "approved")
    settled(service, execution, "approval", "held")
    assert service.look(execution)["status"] == "paused"
    resume(service, execution)
    row = service.ended(execution)
    assert (row["status"], row["result"], row["resume_count"]) == ("completed", "allowed", 1)
    assert service.decisions(execution) == [("approved", "applied")]
    assert service.steps(execution) == ["ask", "release"]


def test_what_nobody_decided_meanwhile_waits_again(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    resume(service, execution)
    eventually_sync(lambda: service.standing(execution) == ("paused", "approval_required"))
    assert service.pause(execution)["manual_pause"] is None
    service.decide(service.asked(execution)[0], "rejected")
    assert service.ended(execution)["result"] == "blocked"


def test_a_forced_resume_ends_what_lies_beneath_too(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    resume(service, execution, ", force => true, data => '{\"seen\": 1}', pause_number => 1")
    assert service.ended(execution)["result"] == "allowed"
    assert service.look(execution)["resume_data"]["seen"] == 1


def test_a_forced_resume_is_for_the_pause_that_was_seen_and_not_for_the_next(database: Database):
    service = Service(database)
    service.workflow(ask("one", on_true="two"), ask("two"), allow())
    with running(database):
        execution = service.paused()
        with database.connect() as late, late.transaction():
            late.execute("SELECT resumer.resume(%s, '{}', 'mia', 'urgent', true, 1)", [execution])
            service.decide(service.asked(execution)[0], "approved")
            eventually_sync(lambda: service.pause(execution)["number"] == 2)
        eventually_sync(lambda: ("manual", None, "superseded") in service.requests(execution))
    assert service.standing(execution) == ("paused", "approval_required")


def test_a_request_is_left_for_the_pause_that_was_checked_or_not_at_all(service: Service):
    service.workflow(wait(), allow())
    execution = service.paused()
    for checked, said in ((2, "pause 2"), (None, "no recorded pause")):
        with pytest.raises(psycopg.Error, match=f"is now at pause 1, not at {said}") as caught:
            service.database.run(
                "SELECT resumer.add_request(%s, 'manual', 'mia', NULL, '{}', ARRAY['paused'], %s)",
                execution, checked,
            )  # fmt: skip
        assert caught.value.sqlstate == "RZ409"
    assert of_kind(service, execution, "manual") == []
    resume(service, execution, ", pause_number => 1")
    assert service.ended(execution)["result"] == "allowed"


def test_a_pause_that_nobody_has_recorded_is_not_forced(database: Database):
    service = Service(database)
    workflow = service.workflow(ask(), allow())
    execution = service.insert(
        "workflow_executions", workflow_id=workflow, execution_id="exec_1", status="paused",
        paused_step_id="ask", **service.owner,
    )  # fmt: skip
    for number in ("NULL", "1"):
        with pytest.raises(psycopg.Error, match="no daemon has recorded the pause yet"):
            resume(service, execution, f", force => true, pause_number => {number}")
    assert of_kind(service, execution, "manual") == []


@pytest.mark.parametrize("data", ["[1]", "5", "null", None])
def test_what_a_resume_brings_is_an_object(service: Service, data: str | None):
    service.workflow(wait(), allow())
    execution = service.paused()
    with pytest.raises(psycopg.Error, match="the resume data has to be a JSON object") as caught:
        service.database.run("SELECT resumer.resume(%s, data => %s::jsonb)", execution, data)
    assert caught.value.sqlstate == "RZ422"
    assert of_kind(service, execution, "manual") == []


def test_an_event_for_what_is_held_counts_after_the_resume(service: Service):
    service.workflow(wait(), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    service.database.run("SELECT resumer.emit('paid', '{\"by\": 1}')")
    eventually_sync(lambda: service.database.run("SELECT 1 FROM resumer.captured_events"))
    eventually_sync(lambda: not service.database.run("SELECT 1 FROM resumer.event_queue"))
    resume(service, execution)
    assert service.ended(execution)["resume_data"]["resume_event"] == {"by": 1}


def test_a_time_that_comes_while_it_is_held_counts_after_the_resume(service: Service):
    service.workflow({"id": "rest", "type": "wait", "wait": {"for": "1h"}}, allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    service.database.run("UPDATE resumer.resume_requests SET due_at = now() WHERE kind = 'timeout'")
    service.database.run("SELECT resumer.wake()")
    settled(service, execution, "timeout", "held")
    resume(service, execution)
    assert service.ended(execution)["status"] == "completed"


def test_an_expiry_that_comes_while_it_is_held_is_written_after_the_resume(service: Service):
    service.workflow(ask(timeout="1h", on_timeout="release"), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    service.database.run("UPDATE approval_requests SET expires_at = '2020-01-01'")
    service.database.run("UPDATE resumer.resume_requests SET due_at = now() WHERE kind = 'timeout'")
    service.database.run("SELECT resumer.wake()")
    eventually_sync(lambda: "held" in of_kind(service, execution, "timeout"))
    assert service.asked(execution)
    resume(service, execution)
    service.ended(execution)
    assert service.decisions(execution) == [("expired", "applied")]


def test_a_pause_comes_before_a_decision_that_was_committed_with_it(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    with service.database.connect() as connection, connection.transaction():
        connection.execute("UPDATE approval_requests SET status = 'approved'")
        connection.execute("SELECT resumer.pause(%s, 'stock count')", [execution])
    held(service, execution)
    settled(service, execution, "approval", "held")


def test_of_a_resume_and_a_pause_that_come_together_the_order_counts(service: Service):
    service.workflow(wait(), ask("release"))
    execution = service.paused()
    with service.database.connect() as connection, connection.transaction():
        connection.execute("SELECT resumer.resume(%s, force => true)", [execution])
        connection.execute("SELECT resumer.pause(%s, 'stock count')", [execution])
    held(service, execution)
    assert service.steps(execution) == ["wait"]
    assert (service.pause(execution)["number"], service.pause(execution)["step_id"]) == (
        2,
        "release",
    )


def test_a_cancel_passes_a_hand(service: Service):
    service.workflow(ask(), allow())
    execution = service.paused()
    pause(service, execution)
    held(service, execution)
    service.database.run("SELECT resumer.cancel(%s)", execution)
    assert service.ended(execution)["status"] == "cancelled"


def test_what_is_queued_stops_before_its_first_step(database: Database):
    service = Service(database)
    service.workflow(allow())
    execution = service.start(payload={"total": 5})
    pause(service, execution)
    with running(database):
        held(service, execution)
        row = service.look(execution)
        assert (row["paused_step_id"], row["next_step_id"]) == ("release", "release")
        assert row["context"]["total"] == 5
        assert service.steps(execution) == []
        resume(service, execution)
        assert service.ended(execution)["result"] == "allowed"
    assert of_kind(service, execution, "pause") == ["applied"]


SENDS: Mapping[str, list[Document]] = {
    "one step": [{"id": "send", "type": "execute", "next": "release"}],
    "a parallel": [
        {
            "id": "both", "type": "parallel", "next": "release",
            "parallel": {"steps": [{"id": "send", "type": "execute"}, allow("inside")]},
        }
    ],
    "a foreach": [
        {
            "id": "each", "type": "foreach", "next": "release",
            "foreach": {
                "items": "{{items}}", "item_var": "item",
                "steps": [{"id": "send", "type": "execute"}],
            },
        }
    ],
}  # fmt: skip


@asynccontextmanager
async def at_the_gate() -> AsyncIterator[tuple[Receiver, Callable[[], object]]]:
    """Receive, and answer once the gate is opened, from whatever thread."""
    gate, loop = asyncio.Event(), asyncio.get_running_loop()

    async def gated(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await answering()(writer)

    async with receiver(gated) as here:
        yield here, lambda: loop.call_soon_threadsafe(gate.set)


def paused_under_way(service: Service, here: Receiver, opens: Callable[[], object]) -> UUID:
    """Ask for a pause while a webhook is under way, then let it end."""
    execution = service.start(payload={"items": [1, 2]})
    eventually_sync(lambda: here.requests)
    pause(service, execution)
    settled(service, execution, "pause", "held")
    opens()
    held(service, execution)
    return execution


@pytest.mark.parametrize("shape", SENDS)
async def test_what_runs_stops_at_the_next_boundary_and_repeats_nothing(
    database: Database, shape: str
):
    service = Service(database)
    async with at_the_gate() as (here, opens):
        act = {"type": "webhook", "url": here.url(), "body": {}}
        service.workflow(*_sending(SENDS[shape], act), allow())

        def work() -> None:
            with running(database, http_allow="localhost"):
                execution = paused_under_way(service, here, opens)
                assert "release" not in service.steps(execution)
                held_leases = "SELECT 1 FROM resumer.leases WHERE lease_until IS NOT NULL"
                assert database.run(held_leases) == []
                assert of_kind(service, execution, "pause") == ["applied"]
                resume(service, execution)
                assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(work)
        sent = [each.headers["idempotency-key"] for each in here.requests]
    assert len(set(sent)) == len(sent) == (2 if shape == "a foreach" else 1)


def _sending(steps: list[Document], act: Document) -> list[Document]:
    """Give each `send` its webhook, wherever it is."""
    found: list[Document] = []
    for step in steps:
        inner = {
            kind: {**step[kind], "steps": _sending(step[kind]["steps"], act)}
            for kind in ("parallel", "foreach")
            if kind in step
        }
        found.append({**step, **inner, **({"execute": [act]} if step["id"] == "send" else {})})
    return found


async def test_a_pause_of_what_ends_in_an_approval_is_laid_over_it(database: Database):
    service = Service(database)
    async with at_the_gate() as (here, opens):
        act = {"type": "webhook", "url": here.url(), "body": {}}
        create = {"type": "create_approval_request", "entity": "order"}
        service.workflow(ask(execute=[act, create]), allow())

        def work() -> None:
            with running(database, http_allow="localhost"):
                execution = paused_under_way(service, here, opens)
                assert service.pause(execution)["manual_pause"]["before"] == "approval_required"
                service.decide(service.asked(execution)[0], "approved")
                settled(service, execution, "approval", "held")
                resume(service, execution)
                assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(work)
