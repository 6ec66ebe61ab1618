"""What other programs write over rows that a daemon runs, has paused or has ended."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually_sync
from tests.harness.inbox import Writer
from tests.harness.receiver import Receiver, answering, receiver
from tests.harness.running import Running, running
from tests.harness.service import Document, Service, Today, allow, ask, block

both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])

STALE = [
    ("paused", None),
    ("pending", None),
    ("waiting", None),
    ("completed", "allowed"),
    ("completed", "blocked"),
    ("running", None),
    ("running", "allowed"),
]
STALE_CONTEXT = Jsonb({"stale": True})


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def today(service: Service) -> Today:
    return Today(service)


@contextmanager
def holding() -> Iterator[tuple[Receiver, Event]]:
    """Run a receiver in a thread of its own that answers once the event is set."""
    answers, ends, up = Event(), Event(), Event()
    made: list[Receiver] = []

    async def behave(writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(answers.wait, 60)
        await answering()(writer)

    async def main() -> None:
        async with receiver(behave) as here:
            made.append(here)
            up.set()
            await asyncio.to_thread(ends.wait)

    thread = Thread(target=asyncio.run, args=[main()])
    thread.start()
    try:
        assert up.wait(20)
        yield made[0], answers
    finally:
        answers.set()
        ends.set()
        thread.join()


@pytest.fixture
def webhook() -> Iterator[tuple[Receiver, Event]]:
    with holding() as made:
        yield made


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(
        database, http_allow="localhost", lease="9s", effect_deadline="5s", drain_timeout="1s"
    ) as made:
        yield made


def sends(service: Service, here: Receiver, *before: Document) -> None:
    act = {"type": "webhook", "url": here.url()}
    send = {"id": "send", "type": "execute", "execute": [act]}
    service.workflow(*before, send, allow())


def resumed(service: Service, here: Receiver) -> UUID:
    """Return an execution that was approved, and whose webhook is under way."""
    sends(service, here, ask(on_true="send"))
    execution = service.paused()
    [request] = service.asked(execution)
    service.decide(request, "approved")
    eventually_sync(lambda: here.requests)
    return execution


@both_vintages
@pytest.mark.parametrize(("status", "result"), STALE)
def test_old_copy_over_a_webhook_under_way_changes_nothing(  # C39
    service: Service, today: Today, daemon: Running, webhook: tuple[Receiver, Event],
    status: str, result: str | None,
):  # fmt: skip
    here, answers = webhook
    execution = resumed(service, here)
    row = service.look(execution)
    today.writes(execution, status=status, result=result, context=STALE_CONTEXT)
    assert service.look(execution) == row
    answers.set()
    ended = service.ended(execution)
    assert (ended["status"], ended["result"], ended["resume_count"]) == ("completed", "allowed", 1)
    assert ended["resume_data"]["approval"]["decision"] == "approved"
    assert service.decisions(execution) == [("approved", "applied")]
    eventually_sync(lambda: daemon.metric("resumer_rejected_writes_total") == 1)
    assert len(here.requests) == 1


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_end_passes_over_a_webhook_under_way(  # C39
    service: Service, today: Today, daemon: Running, webhook: tuple[Receiver, Event], status: str
):
    execution = resumed(service, webhook[0])
    today.writes(execution, status=status)
    assert service.look(execution)["status"] == status
    today.writes(execution, status="completed", result="allowed")
    assert service.look(execution)["status"] == status


def test_what_names_no_column_of_ours_passes_over_a_webhook_under_way(
    service: Service, daemon: Running, webhook: tuple[Receiver, Event], writer: Writer
):
    execution = resumed(service, webhook[0])
    writer.run("UPDATE workflow_executions SET error_message = 'seen', trigger_event = 'x'")
    assert service.look(execution)["error_message"] == "seen"
    assert writer.warnings == []


def test_another_key_of_a_running_or_paused_row_is_refused(  # C39
    service: Service, daemon: Running, database: Database
):
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    with database.connect() as connection:  # no key of another table is in the way
        connection.execute("ALTER TABLE approval_requests DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE step_executions DISABLE TRIGGER ALL")
        connection.execute("UPDATE workflow_executions SET id = gen_random_uuid()")
    service.decide(request, "approved")
    assert service.ended(execution)["result"] == "allowed"


@both_vintages
def test_old_copy_of_an_earlier_pause_over_a_later_one_changes_nothing(  # C39
    service: Service, today: Today, daemon: Running
):
    service.workflow(ask("one", on_true="two"), ask("two"), allow())
    execution = service.paused()
    [first] = service.asked(execution)
    service.decide(first, "approved")
    eventually_sync(lambda: service.asked(execution) not in ([], [first]))
    row = service.until(execution, "paused")
    today.writes(execution, status="paused", context=STALE_CONTEXT)
    assert service.look(execution) == row
    [second] = service.asked(execution)
    service.decide(second, "approved")
    ended = service.ended(execution)
    assert (ended["result"], ended["resume_count"]) == ("allowed", 2)


def test_a_document_that_a_person_corrects_passes_over_a_pause(
    service: Service, daemon: Running, database: Database
):
    service.workflow(ask(), allow())
    execution = service.paused()
    database.run("UPDATE workflow_executions SET context = '{\"corrected\": true}'")
    assert service.look(execution)["context"] == {"corrected": True}


def cancelled_first(service: Service, today: Today) -> UUID:
    """Cancel what the service runs itself."""
    execution = today.running(service.workflow(allow()))
    service.database.run("SELECT resumer.cancel(%s, 'WHY', 'YOU')", execution)
    return execution


def never_paused(service: Service, _today: Today) -> UUID:
    service.workflow(allow())
    return service.start()


def failed_to_start(service: Service, _today: Today) -> UUID:
    service.workflow(definition={"steps": "none"})
    return service.start()


def blocked_for_good(service: Service, _today: Today) -> UUID:
    service.workflow(block("no"))
    return service.start()


@both_vintages
@pytest.mark.parametrize("end", [cancelled_first, never_paused, failed_to_start, blocked_for_good])
@pytest.mark.parametrize(
    ("status", "result"),
    [("completed", "allowed"), ("completed", None), ("failed", "failed"), ("paused", None),
     ("running", None), ("pending", None)],
)  # fmt: skip
def test_an_end_of_ours_that_had_no_pause_stays(  # C45
    service: Service, today: Today, daemon: Running, end, status: str, result: str | None
):
    execution = end(service, today)
    row = service.ended(execution)
    today.writes(execution, status=status, result=result, context=STALE_CONTEXT)
    assert service.look(execution) == row
    service.ended(execution)
    assert service.look(execution) == row


def test_the_service_writes_its_own_ends_and_runs_as_ever(
    service: Service, today: Today, writer: Writer
):
    execution = today.running(service.workflow(allow()))
    for values in (
        "status = 'waiting'", "status = 'running', context = '{\"more\": 1}'",
        "status = 'running', resume_data = '{}'", "status = 'pending'", "status = 'running'",
        "status = 'completed', result = 'allowed', completed_at = now()",
        "completed_at = now() + interval '1 s'", "status = 'failed'", "status = 'completed'",
    ):  # fmt: skip
        writer.run(f"UPDATE workflow_executions SET {values}")
    assert service.standing(execution)[0] == "completed"
    assert writer.warnings == []


LOCKS = ["resumer.leases", "resumer.pauses", "resumer.leases, resumer.pauses"]


@pytest.mark.parametrize("locked", LOCKS)
def test_old_copy_that_the_guard_could_not_check_is_undone(  # C46
    service: Service, today: Today, daemon: Running, locked: str
):
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    row = service.look(execution)
    with service.database.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
        today.writes(execution, status="completed", result="allowed", context=STALE_CONTEXT)
        today.writes(execution, status="failed", context=STALE_CONTEXT)
    eventually_sync(lambda: service.look(execution) == row)
    service.decide(request, "approved")
    ended = service.ended(execution)
    assert (ended["result"], ended["resume_count"]) == ("allowed", 1)
    assert service.decisions(execution) == [("approved", "applied")]


@pytest.mark.parametrize("locked", LOCKS[:1])
@pytest.mark.parametrize(("status", "result"), [STALE[0], STALE[3], STALE[5]])
def test_old_copy_over_a_webhook_that_the_guard_could_not_check_is_undone(  # C46
    service: Service, today: Today, daemon: Running, webhook: tuple[Receiver, Event],
    locked: str, status: str, result: str | None,
):  # fmt: skip
    here, answers = webhook
    execution = resumed(service, here)
    with service.database.connect() as holder, holder.transaction():
        holder.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
        today.writes(execution, status=status, result=result, context=STALE_CONTEXT)
        answers.set()
    eventually_sync(lambda: "stale" not in service.look(execution)["context"])
    ended = service.ended(execution)
    assert (ended["status"], ended["result"], ended["resume_count"]) == ("completed", "allowed", 1)
    assert "send" in service.steps(execution)


@pytest.mark.parametrize("end", [cancelled_first, never_paused])
def test_old_copy_over_an_end_that_the_guard_could_not_check_is_undone(  # C46
    service: Service, today: Today, daemon: Running, end
):
    execution = end(service, today)
    row = service.ended(execution)
    with service.database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.pauses IN ACCESS EXCLUSIVE MODE")
        today.writes(execution, status="running", context=STALE_CONTEXT)
    eventually_sync(lambda: service.look(execution) == row)


def test_what_the_service_writes_of_its_own_while_ours_is_locked_stays(
    service: Service, today: Today, daemon: Running
):
    execution = today.running(service.workflow(allow()))
    with service.database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE resumer.leases, resumer.pauses IN ACCESS EXCLUSIVE MODE")
        today.writes(execution, status="completed", result="allowed", context=STALE_CONTEXT)
    service.ended(execution)
    row = service.look(execution)
    assert (row["result"], row["context"]) == ("allowed", {"stale": True})


def test_where_all_of_ours_is_locked_a_pause_stays(  # C46
    service: Service, today: Today, daemon: Running
):
    service.workflow(ask(), allow())
    execution = service.paused()
    row = service.look(execution)
    with service.database.connect() as holder, holder.transaction():
        holder.execute(
            "LOCK TABLE resumer.leases, resumer.pauses, resumer.resume_requests"
            " IN ACCESS EXCLUSIVE MODE"
        )
        today.writes(execution, status="completed", result="allowed", context=STALE_CONTEXT)
    assert service.look(execution) == row
