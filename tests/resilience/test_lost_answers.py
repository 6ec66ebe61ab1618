"""The response to a COMMIT is lost: the daemon continues from what was committed."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.harness import Database, eventually, eventually_sync
from tests.harness.proxy import Proxy, proxying
from tests.harness.receiver import Behaviour, Receiver, answering, receiver, silent
from tests.harness.running import Running, process, running
from tests.harness.service import Service, allow, ask

# no test waits for the end of a lease
LONG: dict[str, Any] = {
    "http_allow": "localhost", "lease": "1h", "effect_deadline": "1m", "drain_timeout": "500ms",
}  # fmt: skip


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with proxying(database) as made:
        yield made


def sends(name: str, here: Receiver, following: str | None = None, **step: Any) -> dict[str, Any]:
    act = {"type": "webhook", "url": here.url(f"/{name}")}
    return {"id": name, "type": "execute", "execute": [act], **step} | (
        {} if following is None else {"next": following}
    )


def paths(here: Receiver) -> list[bytes]:
    return [each.head.split()[1] for each in here.requests]


def losing(service: Service, proxy: Proxy, work: Callable[[Running], UUID]) -> Callable[[], UUID]:
    """Return a function that runs work and waits for the end of the execution, behind the proxy."""

    def run() -> UUID:
        with running(proxy.to(service.database), **LONG) as daemon:
            execution = work(daemon)
            assert service.ended(execution)["result"] == "allowed"
            assert proxy.lost.is_set()
        return execution

    return run


async def decided(service: Service, proxy: Proxy) -> UUID:
    """Approve an execution. The response to the commit of the batch is lost."""

    def work(_daemon: Running) -> UUID:
        execution = service.paused()
        proxy.lose_answer(execution.hex.encode())
        service.decide(service.asked(execution)[0], "approved")
        return execution

    execution = await asyncio.to_thread(losing(service, proxy, work))
    assert service.decisions(execution) == [("approved", "applied")]
    return execution


async def test_decision_is_applied_once(service: Service, proxy: Proxy):
    told = {"type": "notify", "recipients": ["role:a"], "message": "approved"}
    tell = {"id": "tell", "type": "execute", "execute": [told], "next": "release"}
    service.workflow(ask(on_true="tell"), tell, allow())
    execution = await decided(service, proxy)
    assert service.steps(execution) == ["ask", "tell", "release"]
    assert len(service.database.run("SELECT key FROM resumer.outbox")) == 1


async def test_effects_of_a_lost_batch_are_sent_before_the_lease_ends(
    service: Service, proxy: Proxy
):
    async with receiver(answering()) as here:
        service.workflow(
            ask(on_true="a"), sends("a", here, "b"), sends("b", here, "release"), allow()
        )
        execution = await decided(service, proxy)
    assert paths(here) == [b"/a", b"/b"]
    assert sorted(service.steps(execution)) == ["a", "ask", "b", "release"]


def gated(proxy: Proxy, here: Callable[[], Receiver], at: int) -> Behaviour:
    """Answer. Before request number `at` is answered, drop the response to its later commit."""

    async def behave(writer: Any) -> None:
        if len(here().requests) == at:
            proxy.lose_answer(here().requests[-1].headers["idempotency-key"].encode())
        await answering()(writer)

    return behave


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_result_is_recorded_once_and_the_next_effect_sent_once(
    service: Service, proxy: Proxy, at: int, delivery: str
):
    async with receiver(gated(proxy, lambda: here, at)) as here:
        once = {"delivery": delivery}
        service.workflow(
            sends("a", here, "b", **once),
            sends("b", here, "c", **once),
            sends("c", here, "release", **once),
            allow(),
        )
        execution = await asyncio.to_thread(losing(service, proxy, lambda _: service.start()))
    assert paths(here) == [b"/a", b"/b", b"/c"]
    assert sorted(service.steps(execution)) == ["a", "b", "c", "release"]
    assert service.database.run("SELECT DISTINCT status, attempts FROM resumer.effects") == [
        ("done", 1)
    ]


async def test_parallel_effect_in_flight_is_not_sent_again(service: Service, proxy: Proxy):
    async def behave(writer: Any) -> None:
        if len(here.requests) == 1:
            await eventually(lambda: len(here.requests) == 2)
            proxy.lose_answer(here.requests[0].headers["idempotency-key"].encode())
        else:
            await eventually(proxy.lost.is_set)
        await answering()(writer)

    async with receiver(behave) as here:
        once = {"delivery": "at_most_once"}
        branches = [sends("a", here, **once), sends("b", here, **once)]
        body = {"strategy": "all_must_pass", "steps": branches}
        both = {"id": "both", "type": "parallel", "parallel": body, "next": "c"}
        service.workflow(both, sends("c", here, "release", **once), allow())
        await asyncio.to_thread(losing(service, proxy, lambda _: service.start()))
    assert sorted(paths(here)) == [b"/a", b"/b", b"/c"]


async def test_branch_that_advanced_beside_an_effect_is_recovered(service: Service, proxy: Proxy):
    """The check before the transaction finds nothing more once the decision is applied."""
    loop, gate, approver = asyncio.get_running_loop(), asyncio.Event(), uuid4()

    async def behave(writer: Any) -> None:
        await gate.wait()
        await answering()(writer)

    async with receiver(behave) as here:
        approval = {"type": "create_approval_request", "entity": "quote", "approver_role": "legal"}
        legal = {
            "id": "legal", "type": "action", "action": "block", "requires": {"type": "approval"},
            "execute": [approval],
        }  # fmt: skip
        body = {"strategy": "all_must_pass", "steps": [legal, sends("a", here)]}
        service.workflow(
            {"id": "both", "type": "parallel", "parallel": body, "next": "release"}, allow()
        )

        def approve(_daemon: Running) -> UUID:
            execution = service.start()
            eventually_sync(lambda: here.requests)
            [request] = eventually_sync(lambda: service.asked(execution))
            proxy.lose_answer(str(approver).encode())
            service.decide(request, "approved", approver)
            assert proxy.lost.wait(30)
            loop.call_soon_threadsafe(gate.set)
            return execution

        execution = await asyncio.to_thread(losing(service, proxy, approve))
    assert paths(here) == [b"/a"]
    assert service.decisions(execution) == [("approved", "applied")]


async def test_rescued_effect_is_sent_before_the_lease_ends(
    service: Service, proxy: Proxy, tmp_path: Path
):
    async with receiver(silent, answering()) as here:
        service.workflow(sends("a", here, "release"), allow())
        execution = service.start()

        def killed() -> None:
            with process(service.database, tmp_path / "log", **LONG) as first:
                eventually_sync(lambda: here.requests)
                first.kill()

        def rescued(_daemon: Running) -> UUID:
            proxy.lose_answer(execution.hex.encode())
            service.database.run("UPDATE resumer.leases SET lease_until = clock_timestamp()")
            return execution

        await asyncio.to_thread(killed)
        await asyncio.to_thread(losing(service, proxy, rescued))
    assert len({each.headers["idempotency-key"] for each in here.requests}) == 1
