"""Branches of `parallel` and `foreach` that wait on their own: each moves as soon as it can."""

import asyncio
import itertools
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually, eventually_sync, every_vintage
from tests.harness.receiver import answering, receiver
from tests.harness.running import running
from tests.harness.service import Document, Service, allow, ask, block


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with running(database, http_allow="localhost"):
        yield Service(database)


def own_approval(step: str) -> Document:
    """Return a block whose own list creates the approval."""
    return {
        "id": step, "type": "action", "action": "block", "requires": {"type": "approval"},
        "execute": [{"type": "create_approval_request", "entity": "quote", "approver_role": step}],
    }  # fmt: skip


def parallel(*steps: Document, strategy: str = "all_must_pass", **more: str) -> Document:
    return {
        "id": "both", "type": "parallel", "next": "release",
        "parallel": {"strategy": strategy, "steps": list(steps)}, **more,
    }  # fmt: skip


def wait(step: str, event: str, timeout: str = "1h") -> Document:
    return {"id": step, "type": "wait", "wait": {"event": event, "timeout": timeout}}


def request_of(service: Service, execution: UUID, role: str) -> str:
    [(request,)] = service.database.run(
        "SELECT request_id FROM approval_requests WHERE execution_id = %s AND approver_role = %s",
        execution,
        role,
    )
    return str(request)


def decide(service: Service, execution: UUID, role: str, status: str = "approved") -> None:
    service.decide(request_of(service, execution, role), status, approver=uuid4())


def step_of_pause(service: Service, execution: UUID) -> str | None:
    pause = service.pause(execution)
    return None if pause["resumed_at"] else pause["step_id"]


@every_vintage
@pytest.mark.parametrize("order", list(itertools.permutations(["legal", "finance"])))
def test_branches_are_decided_in_any_order(service: Service, order: tuple[str, ...]):  # C1
    service.workflow(parallel(own_approval("legal"), own_approval("finance")), allow())
    execution = service.paused()
    assert len(service.asked(execution)) == 2
    first, second = order
    decide(service, execution, first)
    eventually_sync(lambda: step_of_pause(service, execution) == second, of="the other waits on")
    decide(service, execution, second)
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_branches_are_decided_in_one_statement(service: Service):  # C1
    service.workflow(parallel(own_approval("legal"), own_approval("finance")), allow())
    execution = service.paused()
    service.database.run("UPDATE approval_requests SET status = 'approved', decided_at = now()")
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_one_of_two_decisions_of_a_branch_waits_for_the_other_beside_a_branch_that_moves(
    service: Service,
):  # C1
    service.workflow(
        parallel(ask("legal", approvals=2, on_true=None), own_approval("finance")), allow()
    )
    execution = service.paused()
    requests = [
        request
        for (request,) in service.database.run(
            "SELECT request_id FROM approval_requests WHERE approver_role = 'manager'"
        )
    ]
    service.decide(requests[0], "approved", approver=uuid4())
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    decide(service, execution, "finance")
    eventually_sync(
        lambda: service.decisions(execution) == [("approved", "held"), ("approved", "applied")]
    )
    service.decide(requests[1], "approved", approver=uuid4())
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied")] * 3


def test_all_approvals_of_a_parallel_are_created_when_it_starts(service: Service):  # C2
    service.workflow(
        parallel(ask("a", role="legal", timeout="1h"), ask("b", role="cfo", timeout="2h")), allow()
    )
    execution = service.paused()
    assert len(service.asked(execution)) == 2
    timers = [kind for kind, _, outcome in service.requests(execution) if kind == "timeout"]
    assert len(timers) == 2


def test_any_can_pass_continues_with_the_first_event(service: Service):  # C3
    both = parallel(
        wait("a", "doc.uploaded", "20s"), wait("b", "doc.skipped", "20s"), strategy="any_can_pass"
    )
    service.workflow(both, allow())
    execution = service.paused()
    service.database.run("SELECT resumer.emit('doc.skipped', '{}')")
    row = service.ended(execution)
    assert row["result"] == "allowed", row["error_message"]
    assert row["resume_count"] == 1


def test_any_can_pass_closes_the_approval_that_nobody_needs(service: Service):  # C3, C7
    service.workflow(
        parallel(ask("a", role="legal"), wait("b", "skipped"), strategy="any_can_pass"), allow()
    )
    execution = service.paused()
    legal = request_of(service, execution, "legal")
    service.database.run("SELECT resumer.emit('skipped', '{}')")
    assert service.ended(execution)["result"] == "allowed"
    assert service.asked(execution) == []
    with pytest.raises(Exception, match="nobody waits for this decision"):
        service.database.run("SELECT resumer.approve(%s)", legal)


@pytest.mark.parametrize("order", list(itertools.permutations(["legal", "paid", "rest"])))
def test_an_approval_an_event_and_a_time_end_their_branches_in_any_order(
    service: Service, order: tuple[str, ...]
):
    rest = {"id": "rest", "type": "wait", "wait": {"for": "1h"}}
    service.workflow(parallel(own_approval("legal"), wait("paid", "paid"), rest), allow())
    execution = service.paused()
    for number, what in enumerate(order, 1):
        if what == "legal":
            decide(service, execution, "legal")
        elif what == "paid":
            service.database.run("SELECT resumer.emit('paid', '{}')")
        else:
            come_due(service, "both/2")
        moved(service, execution, number)
    assert service.ended(execution)["result"] == "allowed"


def moved(service: Service, execution: UUID, times: int) -> None:
    eventually_sync(lambda: service.look(execution)["resume_count"] == times, of=f"move {times}")


def come_due(service: Service, branch: str) -> None:
    """Let the time of a branch come."""
    service.database.run(
        "UPDATE resumer.resume_requests SET due_at = now()"
        " WHERE kind = 'timeout' AND outcome IS NULL AND decision = %s",
        branch,
    )
    service.database.run("SELECT resumer.wake()")


@every_vintage
async def test_decisions_count_while_another_branch_sends(database: Database):  # C1
    service = Service(database)
    go_on = asyncio.Event()

    async def held_back(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await answering()(writer)

    async with receiver(held_back) as there:
        send = [{"type": "webhook", "url": there.url()}]
        steps = own_approval("legal"), {"id": "send", "type": "execute", "execute": send}
        service.workflow(parallel(*steps, own_approval("finance")), allow())
        with running(database, http_allow="localhost"):
            execution = service.start()
            await eventually(
                lambda: len(service.asked(execution)) == 2, of="both are asked at once"
            )
            await eventually(lambda: there.requests)
            for role in ("finance", "legal"):
                decide(service, execution, role)
            await eventually(lambda: service.decisions(execution) == [("approved", "applied")] * 2)
            go_on.set()
            row = await asyncio.to_thread(service.ended, execution)
    assert row["result"] == "allowed", row["error_message"]
    assert service.decisions(execution) == [("approved", "applied")] * 2


@pytest.mark.parametrize("first", ["event", "webhook"])
async def test_an_event_counts_while_another_branch_sends(database: Database, first: str):
    service = Service(database)
    go_on = asyncio.Event()

    async def held_back(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await answering()(writer)

    async with receiver(held_back) as there:
        send = [{"type": "webhook", "url": there.url()}]
        steps = wait("paid", "paid"), {"id": "send", "type": "execute", "execute": send}
        service.workflow(ask(on_true="both"), parallel(*steps), allow())
        with running(database, http_allow="localhost"):
            execution = await asyncio.to_thread(service.paused)
            if first == "event":
                database.run("SELECT resumer.emit('paid', '{}')")
            service.decide(service.asked(execution)[0], "approved")
            await eventually(lambda: there.requests)
            if first == "webhook":
                database.run("SELECT resumer.emit('paid', '{}')")
            await eventually(lambda: ("event", "paid", "applied") in service.requests(execution))
            go_on.set()
            row = await asyncio.to_thread(service.ended, execution)
    assert row["result"] == "allowed", row["error_message"]
    assert database.run("SELECT count(*) FROM resumer.event_waits") == [(0,)]


def test_an_approval_counts_for_the_role_that_it_was_created_for(service: Service):  # C5
    service.workflow(ask(roles=["chair", "treasurer"]), allow())
    execution = service.paused()
    treasurer = request_of(service, execution, "treasurer")
    service.database.run(
        "UPDATE approval_requests SET approver_role = 'deputy_treasurer' WHERE request_id = %s",
        treasurer,
    )
    service.decide(treasurer, "approved", approver=uuid4())
    decide(service, execution, "chair")
    assert service.ended(execution)["result"] == "allowed"


async def test_a_request_of_a_step_that_has_failed_is_closed(service: Service):  # C7
    act = {"type": "create_approval_request", "entity": "quote", "approver_role": "legal"}
    async with receiver(answering(status=404)) as here:
        send = {"type": "webhook", "url": here.url()}
        first = {"id": "first", "type": "action", "action": "block", "execute": [act, send]}
        service.workflow({**first, "on_error": "ask"}, ask(), allow())

        def work() -> None:
            execution = service.paused()
            [(status,)] = service.database.run(
                "SELECT status FROM approval_requests WHERE approver_role = 'legal'"
            )
            assert status == "expired"
            service.decide(service.asked(execution)[0], "approved")
            assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(work)


@pytest.mark.parametrize("last", ["finance", "another"])
def test_an_approval_that_no_step_asked_for_counts_for_one_branch(
    service: Service, last: str
):  # C1
    service.workflow(parallel(own_approval("legal"), own_approval("finance")), allow())
    execution = service.paused()

    def insert() -> None:
        service.approval(
            execution, "approved", entity_type="quote", entity_id="1", approver_role="deputy"
        )

    insert()
    eventually_sync(lambda: step_of_pause(service, execution) == "finance")
    if last == "finance":
        decide(service, execution, "finance")
    else:
        insert()
    row = service.ended(execution)
    assert row["result"] == "allowed", service.pause(execution)
    assert service.decisions(execution) == [("approved", "applied")] * 2


def test_the_times_of_all_branches_come_while_a_person_holds_them(service: Service):
    """Each counts after the resume, though the decision of another branch moves it first."""
    steps = own_approval("legal"), ask("x", role="x", timeout="1s", on_true=None)
    both = parallel(*steps, wait("w", "w", "1s"), strategy="best_effort")
    service.workflow(both, allow())
    execution = service.paused()
    service.database.run("SELECT resumer.pause(%s, 'stock count', 'me')", execution)
    eventually_sync(lambda: service.pause(execution)["reason"] == "manual")
    decide(service, execution, "legal")
    eventually_sync(
        lambda: (
            [kind for kind, _, outcome in service.requests(execution) if outcome == "held"]
            == ["timeout", "timeout", "approval"]
        ),
        of="all of them are kept",
    )
    service.database.run("SELECT resumer.resume(%s)", execution)
    assert service.ended(execution)["result"] == "allowed"
    assert service.decisions(execution) == [("approved", "applied"), ("expired", "applied")]


@pytest.mark.parametrize("end", ["rejected", "forced", "cancelled"])
def test_a_request_that_nobody_waits_for_is_closed(service: Service, end: str):  # C7
    service.workflow(ask(roles=["legal", "finance"], on_false="refuse"), allow(), block())
    execution = service.paused()
    legal, finance = (request_of(service, execution, role) for role in ("legal", "finance"))
    if end == "rejected":
        service.decide(legal, "rejected", approver=uuid4())
    elif end == "forced":
        service.database.run("SELECT resumer.resume(%s, '{}', 'me', 'why', true, 1)", execution)
    else:
        service.database.run("SELECT resumer.cancel(%s)", execution)
    service.ended(execution)
    assert service.asked(execution) == []
    [(status, reason)] = service.database.run(
        "SELECT status, decision_reason FROM approval_requests WHERE request_id = %s", finance
    )
    assert status == "expired"
    assert "nobody waits for this decision" in reason
    assert len(service.decisions(execution)) == (end == "rejected"), "closing is no decision"


def test_a_request_that_somebody_is_deciding_is_closed_when_that_is_rolled_back(
    service: Service,
):  # C7
    service.workflow(ask(roles=["legal", "finance"], on_false="refuse"), allow(), block())
    execution = service.paused()
    finance = request_of(service, execution, "finance")
    with service.database.connect() as deciding:
        deciding.autocommit = False
        deciding.execute(
            "UPDATE approval_requests SET status = 'approved' WHERE request_id = %s", [finance]
        )
        decide(service, execution, "legal", "rejected")
        service.until(execution, "completed")
        deciding.rollback()
    eventually_sync(lambda: service.asked(execution) == [], of="it is closed after all")


def test_a_forced_refusal_is_the_answer_of_its_gate(service: Service):  # C21
    service.workflow(
        ask("g1", on_true="g2"),
        ask("g2", on_true=None, on_false="c"),
        {"id": "c", "type": "condition", "on_true": "release", "on_false": "refuse",
         "condition": {"field": "approved", "operator": "eq", "value": True}},
        allow(), block(),
    )  # fmt: skip
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved", approver=uuid4())
    eventually_sync(lambda: step_of_pause(service, execution) == "g2")
    service.database.run(
        "SELECT resumer.resume(%s, %s, 'me', 'why', true, 2)", execution, Jsonb({"approved": False})
    )
    assert service.ended(execution)["result"] == "blocked"


def test_status_and_explain_list_every_branch(service: Service):
    service.workflow(parallel(own_approval("legal"), wait("paid", "paid")), allow())
    execution = service.paused()
    [(status, why)] = service.database.run(
        "SELECT resumer.status(%s), resumer.explain(%s)", execution, execution
    )
    assert [(each["step_id"], each["reason"]) for each in status["branches"]] == [
        ("legal", "approval_required"),
        ("paid", "waiting_for_event"),
    ]
    assert len(status["branches"][0]["waiting_for"]["approvals"]) == 1
    codes = [reason["code"] for reason in why["reasons"]]
    assert {"approval_missing", "waits_for_event"} <= set(codes)
