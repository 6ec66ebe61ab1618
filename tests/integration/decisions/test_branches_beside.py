"""Branches that wait while an effect of another branch is under way: no pause is open then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.harness import Database, eventually
from tests.harness.receiver import Receiver, answering, receiver
from tests.harness.running import process, running
from tests.harness.service import Document, Service, allow, ask

LEASE: dict[str, Any] = {
    "http_allow": "localhost", "lease": "6s", "effect_deadline": "4s", "drain_timeout": "2s",
}  # fmt: skip


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


class Gate(asyncio.Event):
    """Holds back the answers of a receiver until it is set; the receiver is `there`."""

    there: Receiver


@asynccontextmanager
async def held_back(status: int = 200) -> AsyncIterator[Gate]:
    gate = Gate()

    async def behave(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await answering(status=status)(writer)

    async with receiver(behave) as gate.there:
        yield gate
        gate.set()


def own_approval(step: str, **more: Any) -> Document:
    """Return a block whose own list creates the approval."""
    create = {
        "type": "create_approval_request", "entity": "quote", "approver_role": step, **more,
    }  # fmt: skip
    return {
        "id": step, "type": "action", "action": "block", "requires": {"type": "approval"},
        "execute": [create],
    }  # fmt: skip


def send(gate: Gate, step: str = "send") -> Document:
    return {
        "id": step, "type": "execute",
        "execute": [{"type": "webhook", "url": gate.there.url()}],
    }  # fmt: skip


def wait(step: str, event: str, timeout: str = "1h") -> Document:
    return {"id": step, "type": "wait", "wait": {"event": event, "timeout": timeout}}


def parallel(*steps: Document, strategy: str = "all_must_pass") -> Document:
    return {
        "id": "both", "type": "parallel", "next": "release",
        "parallel": {"strategy": strategy, "steps": list(steps)},
    }  # fmt: skip


def request_of(service: Service, execution: UUID, role: str) -> str:
    [(request,)] = service.database.run(
        "SELECT request_id FROM approval_requests WHERE execution_id = %s AND approver_role = %s",
        execution,
        role,
    )
    return str(request)


def decide(service: Service, execution: UUID, role: str, status: str = "approved") -> None:
    service.decide(request_of(service, execution, role), status, approver=uuid4())


def waits(service: Service) -> int:
    [(number,)] = service.database.run("SELECT count(*) FROM resumer.event_waits")
    return int(number)


async def ended(service: Service, execution: UUID) -> dict[str, Any]:
    return await asyncio.to_thread(service.ended, execution)


async def started(service: Service, gate: Gate, asked: int = 1) -> UUID:
    """Return an execution whose webhook is under way, and that has asked for so many approvals."""
    execution = service.start()
    await eventually(lambda: gate.there.requests, of="the webhook is under way")
    await eventually(lambda: len(service.asked(execution)) == asked, of="it has asked")
    return execution


@pytest.mark.parametrize("what", ["approval", "event"])
async def test_what_came_while_nobody_ran_it_counts_beside_an_effect_that_is_sent_again(
    service: Service, tmp_path: Path, what: str
):
    async with held_back() as gate:
        other = own_approval("legal") if what == "approval" else wait("paid", "paid")
        service.workflow(parallel(other, send(gate)), allow())
        with process(service.database, tmp_path / "first.log", **LEASE) as first:
            execution = await started(service, gate, int(what == "approval"))
            first.kill()
        if what == "approval":
            decide(service, execution, "legal")
        else:
            service.database.run("SELECT resumer.emit('paid', '{}')")
        with process(service.database, tmp_path / "second.log", **LEASE):
            await eventually(lambda: len(gate.there.requests) == 2, of="it is sent again")
            await eventually(
                lambda: (
                    (what, "approved" if what == "approval" else "paid", "applied")
                    in service.requests(execution)
                ),
                of=f"it is applied: {service.requests(execution)}",
            )
            gate.set()
            row = await ended(service, execution)
    assert row["result"] == "allowed", row["error_message"]
    name = "approval" if what == "approval" else "resume_event"
    assert name in row["resume_data"]
    assert waits(service) == 0


@pytest.mark.parametrize("end", ["cancel", "cancelled", "failed", "deleted"])
async def test_nothing_waits_for_an_execution_that_ended_beside_an_effect(  # C7
    service: Service, end: str
):
    async with held_back() as gate:
        service.workflow(parallel(own_approval("legal"), wait("paid", "paid"), send(gate)), allow())
        with running(service.database, **LEASE):
            execution = await started(service, gate)
            if end == "cancel":
                service.database.run("SELECT resumer.cancel(%s)", execution)
            elif end == "deleted":
                service.database.run("DELETE FROM workflow_executions WHERE id = %s", execution)
            else:
                service.database.run(
                    "UPDATE workflow_executions SET status = %s WHERE id = %s", end, execution
                )
            gate.set()
            await eventually(lambda: service.asked(execution) == [], of="it is closed")
            await eventually(lambda: waits(service) == 0, of="nobody waits for the event")


async def test_a_request_of_a_list_that_failed_is_closed_before_the_next_step_asks(  # C7
    service: Service,
):
    async with held_back(status=500) as gate:
        gate.set()
        asks = own_approval("legal")
        acts = [*asks["execute"], *send(gate)["execute"]]
        fails = {**asks, "execute": acts, "on_error": "boss"}
        service.workflow(fails, ask("boss", role="boss"), allow())
        with running(service.database, **LEASE):
            execution = service.start()
            await eventually(
                lambda: service.pause(execution).get("step_id") == "boss", of="boss is asked"
            )
            await eventually(
                lambda: service.asked(execution) == [request_of(service, execution, "boss")],
                of="the request of the failed list is closed",
            )


async def test_a_request_of_a_list_that_is_tried_again_stays_open(service: Service):
    answers = iter([500, 500, 200])

    async def behave(writer: asyncio.StreamWriter) -> None:
        await answering(status=next(answers))(writer)

    async with receiver(behave) as there:
        act = {"type": "webhook", "url": there.url()}
        again = {"max_attempts": 2, "backoff": "constant"}
        asks = own_approval("legal")
        asks = {**asks, "execute": [*asks["execute"], act], "retry": again}
        service.workflow({**parallel(asks), "retry": again}, allow())
        with running(service.database, **LEASE):
            execution = await asyncio.to_thread(service.paused)
            assert len(service.asked(execution)) == 1
            decide(service, execution, "legal")
            row = await ended(service, execution)
    assert row["result"] == "allowed", row["error_message"]


async def test_a_request_whose_list_went_on_with_an_effect_expires_in_time(service: Service):
    async with held_back() as gate:
        gate.set()
        asks = own_approval("legal", expires_in="1s")
        acts = [*asks["execute"], *send(gate)["execute"]]
        service.workflow({**asks, "execute": acts}, allow())
        with running(service.database, **LEASE | {"reconcile_interval": "1h"}):
            execution = service.start()
            row = await ended(service, execution)
    assert row["result"] == "blocked"
    assert service.decisions(execution) == [("expired", "applied")]


async def test_a_decision_without_a_trigger_counts_while_another_branch_sends(service: Service):
    async with held_back() as gate:
        service.workflow(parallel(own_approval("legal"), send(gate)), allow())
        with running(service.database, **LEASE):
            execution = await started(service, gate)
            off = "ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update"
            service.database.run(off)
            decide(service, execution, "legal")
            await eventually(
                lambda: service.decisions(execution) == [("approved", "applied")],
                of="it is found before the webhook has its answer",
            )
            gate.set()
            row = await ended(service, execution)
    assert row["result"] == "allowed"


async def test_two_earlier_events_end_two_waits_while_another_branch_sends(service: Service):  # C4
    async with held_back() as gate:
        service.workflow(
            ask(on_true="both"),
            parallel(wait("a", "paid"), wait("b", "paid"), send(gate)),
            allow(),
        )
        with running(service.database, **LEASE):
            execution = await asyncio.to_thread(service.paused)
            for _ in range(2):
                service.database.run("SELECT resumer.emit('paid', '{}')")
            service.decide(service.asked(execution)[0], "approved")
            await eventually(
                lambda: service.requests(execution).count(("event", "paid", "applied")) == 2,
                of=f"both count: {service.requests(execution)}",
            )
            gate.set()
            row = await ended(service, execution)
    assert row["result"] == "allowed"


async def test_a_hand_laid_on_it_while_a_branch_sends_keeps_what_is_decided(service: Service):
    async with held_back() as gate:
        service.workflow(parallel(own_approval("legal"), wait("paid", "paid"), send(gate)), allow())
        with running(service.database, **LEASE):
            execution = await started(service, gate)
            service.database.run("SELECT resumer.pause(%s, 'stock count', 'me')", execution)
            await eventually(lambda: ("pause", None, "held") in service.requests(execution))
            decide(service, execution, "legal")
            service.database.run("SELECT resumer.emit('paid', '{}')")
            gate.set()
            await eventually(lambda: service.pause(execution).get("reason") == "manual")
            await eventually(lambda: ("pause", None, "applied") in service.requests(execution))
            assert service.decisions(execution) == [("approved", "held")]
            service.database.run("SELECT resumer.resume(%s)", execution)
            row = await ended(service, execution)
    assert row["result"] == "allowed", row["error_message"]
    assert service.decisions(execution) == [("approved", "applied")]


async def test_a_retry_from_another_step_closes_the_requests_of_the_branches_it_leaves(  # C7
    service: Service, tmp_path: Path
):
    async with held_back() as gate:
        once = {**send(gate), "delivery": "at_most_once"}
        steps = own_approval("legal"), wait("paid", "paid"), once
        service.workflow(parallel(*steps), ask("boss", role="boss"), allow())
        with process(service.database, tmp_path / "first.log", **LEASE) as first:
            execution = await started(service, gate)
            first.kill()
        with running(service.database, **LEASE):
            await eventually(lambda: service.pause(execution).get("reason") == "incident")
            assert len(service.asked(execution)) == 1
            service.database.run(
                "SELECT resumer.retry(%s, 'known', 'mia', from_step => 'boss')", execution
            )
            await eventually(lambda: service.pause(execution).get("step_id") == "boss")
            await eventually(
                lambda: service.asked(execution) == [request_of(service, execution, "boss")],
                of="legal is asked no more",
            )
    assert waits(service) == 0


async def test_a_retry_goes_on_with_the_branches_and_what_came_meanwhile(
    service: Service, tmp_path: Path
):
    async with held_back() as gate:
        once = {**send(gate), "delivery": "at_most_once"}
        service.workflow(parallel(own_approval("legal"), wait("paid", "paid"), once), allow())
        with process(service.database, tmp_path / "first.log", **LEASE) as first:
            execution = await started(service, gate)
            first.kill()
        with running(service.database, **LEASE):
            await eventually(lambda: service.pause(execution).get("reason") == "incident")
            decide(service, execution, "legal")
            service.database.run("SELECT resumer.emit('paid', '{}')")
            await eventually(lambda: service.decisions(execution) == [("approved", "held")])
            service.database.run("SELECT resumer.retry(%s)", execution)
            gate.set()
            row = await ended(service, execution)
    assert row["result"] == "allowed", row["error_message"]
    assert service.decisions(execution) == [("approved", "applied")]
    assert waits(service) == 0


@pytest.mark.parametrize("then", ["paused", "sends", "cancelled"])
async def test_a_request_that_somebody_was_deciding_is_closed_later_wherever_the_flow_is(  # C7
    service: Service, then: str
):
    async with held_back() as gate:
        both = parallel(own_approval("legal"), wait("b", "skipped"), strategy="any_can_pass")
        nested = {**both, "id": "inner"}
        flow = [{**both, "next": "boss"}, ask("boss", role="boss"), allow()]
        if then == "sends":
            flow = [parallel(nested, send(gate), wait("c", "late")), allow()]
        if then == "cancelled":
            flow = [parallel(own_approval("legal"), send(gate)), allow()]
        service.workflow(*flow)
        with running(service.database, **LEASE):
            execution = service.start()
            await eventually(lambda: len(service.asked(execution)) == 1)
            legal = request_of(service, execution, "legal")
            with service.database.connect() as deciding:
                deciding.autocommit = False
                deciding.execute(
                    "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s",
                    [legal],
                )
                if then == "cancelled":
                    await eventually(lambda: gate.there.requests)
                    service.database.run("SELECT resumer.cancel(%s)", execution)
                    await asyncio.to_thread(service.until, execution, "cancelled")
                else:
                    service.database.run("SELECT resumer.emit('skipped', '{}')")
                    await eventually(
                        lambda: ("event", "skipped", "applied") in service.requests(execution)
                    )
                deciding.rollback()
            gate.set()
            await eventually(lambda: legal not in service.asked(execution), of="it is closed")


async def test_the_inbox_shows_what_the_branch_needs_that_has_waited_longest(service: Service):
    both = parallel(own_approval("legal"), ask("board", role="board", approvals=2, on_true=None))
    service.workflow(both, allow())
    with running(service.database, **LEASE):
        execution = await asyncio.to_thread(service.paused)
        [(shown, status)] = service.database.run(
            "SELECT waiting_for, resumer.status(execution_id) FROM resumer.inbox"
        )
        asked = [each["role"] for each in shown["approvals"]]
        assert (shown["needed"], asked) == (1, ["legal"])
        assert status["waiting_for"] == shown
        [_, board] = status["branches"]
        assert board["waiting_for"]["needed"] == 2
        assert len(service.asked(execution)) == 3


async def test_a_decision_that_the_reconciler_finds_says_who_decided(service: Service):  # C11
    who = uuid4()
    service.workflow(ask(), allow())
    with running(service.database, **LEASE):
        execution = await asyncio.to_thread(service.paused)
        off = "ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update"
        service.database.run(off)
        service.decide(service.asked(execution)[0], "approved", approver=who)
        await ended(service, execution)
    assert service.database.run("SELECT actor FROM resumer.ledger WHERE kind = 'approval'") == [
        (str(who),)
    ]


async def test_a_refused_approval_of_a_branch_says_why_when_another_branch_moves(  # C6
    service: Service,
):
    service.workflow(parallel(own_approval("legal"), own_approval("finance")), allow())
    execution = service.start()
    with running(service.database, **LEASE, decision_guard="audit"):
        await asyncio.to_thread(service.until, execution, "paused")
        service.database.run(
            "UPDATE approval_requests SET status = 'approved', decided_at = now(),"
            " approver_id = CASE approver_role WHEN 'legal' THEN gen_random_uuid() END"
        )
        await eventually(
            lambda: (
                service.database.run(
                    "SELECT outcome, reason FROM resumer.requests WHERE kind = 'approval'"
                    " ORDER BY outcome"
                )
                == [("applied", None), ("held", "missing_approver")]
            )
        )


async def test_a_decision_that_another_overtook_beside_an_effect_has_a_row(service: Service):  # C47
    async with held_back() as gate:
        asks = ask("x", roles=["p", "q"], on_true=None)
        service.workflow(parallel(asks, send(gate), strategy="best_effort"), allow())
        with running(service.database, **LEASE):
            execution = await started(service, gate, 2)
            service.database.run(
                "ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_update"
            )
            service.database.run(
                "UPDATE approval_requests SET status ="
                " CASE approver_role WHEN 'p' THEN 'approved' ELSE 'rejected' END"
            )
            await eventually(lambda: len(service.decisions(execution)) == 2)
            gate.set()
            await ended(service, execution)
    assert sorted(service.decisions(execution)) == [
        ("approved", "superseded"),
        ("rejected", "applied"),
    ]
