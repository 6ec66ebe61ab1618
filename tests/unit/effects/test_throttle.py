"""Concurrency per host, circuit breakers and the budget for retries."""

import asyncio
from heapq import heappop, heappush

import pytest

from resumer_daemon.effects.throttle import (
    REMEMBERED,
    Breaker,
    HostThrottle,
    RetryBudget,
    Throttled,
)
from resumer_daemon.engine.outcome import EffectResult
from tests.harness import eventually
from tests.harness.receiver import effect

WELL, DOWN = EffectResult(), EffectResult("webhook answered 503", "503")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def attempt(hosts, result, url="http://a.example/", number=1) -> None:
    async with hosts.attempt(effect(url, attempt=number)) as made:
        made.result = result


def breaker_of(clock) -> Breaker:
    return Breaker(3, 30.0, clock)


def fail(breaker) -> None:
    breaker.leave(False, breaker.enter())


def test_breaker_opens_after_failures_in_a_row(clock):
    breaker = breaker_of(clock)
    fail(breaker)
    fail(breaker)
    breaker.leave(True, breaker.enter())
    for _ in range(3):
        assert breaker.wait() == 0.0
        fail(breaker)
    assert breaker.wait() == 30.0
    clock.now += 29
    assert breaker.wait() == 1.0


@pytest.mark.parametrize(("well", "wait"), [(True, 0.0), (False, 30.0), (None, 0.0)])
def test_breaker_closes_or_opens_by_a_single_probe(clock, well, wait):
    breaker = breaker_of(clock)
    for _ in range(3):
        fail(breaker)
    clock.now += 30
    assert breaker.wait() == 0.0
    probe = breaker.enter()
    assert probe
    assert breaker.wait() == 1.0
    breaker.leave(well, probe)
    assert breaker.wait() == wait
    assert breaker.pristine is (well is True)


def test_late_failure_does_not_count_against_the_probe(clock):
    breaker = breaker_of(clock)
    entered = [breaker.enter() for _ in range(5)]
    for probe in entered[:3]:
        breaker.leave(False, probe)
    clock.now += 30
    probe = breaker.enter()
    breaker.leave(False, entered[3])
    assert breaker.wait() == 1.0
    breaker.leave(True, probe)
    assert breaker.wait() == 0.0


def test_late_failure_does_not_extend_the_open_time(clock):
    breaker = breaker_of(clock)
    entered = [breaker.enter() for _ in range(4)]
    for probe in entered[:3]:
        breaker.leave(False, probe)
    clock.now += 10
    breaker.leave(False, entered[3])
    assert breaker.wait() == 20.0


def test_retry_budget_is_a_share_of_first_attempts(clock):
    budget = RetryBudget(clock, share=0.1, floor=1.0, most=10.0)
    retried = 0
    for _ in range(10):
        assert budget.wait() == 0.0
        budget.take()
    for _ in range(1000):
        budget.pay()
        if budget.wait() == 0.0:
            budget.take()
            retried += 1
    assert 99 <= retried <= 100


def test_retry_budget_refills_over_time(clock):
    budget = RetryBudget(clock, share=0.1, floor=0.5, most=2.0)
    budget.take()
    budget.take()
    assert budget.wait() == 2.0
    clock.now += 1
    assert budget.wait() == 1.0
    clock.now += 1000
    for _ in range(2):
        assert budget.wait() == 0.0
        budget.take()
    assert budget.wait() > 0.0


async def test_throttle_limits_concurrency_per_host(clock):
    hosts = HostThrottle(concurrency=2, clock=clock)
    inside = {"a": 0, "b": 0}
    leave = asyncio.Event()

    async def stay(name) -> None:
        async with hosts.attempt(effect(f"http://{name}.example/")):
            inside[name] += 1
            await leave.wait()

    async with asyncio.TaskGroup() as tasks:
        for name in "aaaaab":
            tasks.create_task(stay(name))
        await eventually(lambda: inside == {"a": 2, "b": 1})
        leave.set()
    assert inside == {"a": 5, "b": 1}


async def test_throttle_stops_attempts_to_the_failing_host_only(clock):
    hosts = HostThrottle(failures=3, open_seconds=30.0, clock=clock)
    for _ in range(3):
        await attempt(hosts, DOWN)
    with pytest.raises(Throttled) as refused:
        await attempt(hosts, WELL)
    assert refused.value.seconds == 30.0
    await attempt(hosts, WELL, "http://b.example/")
    clock.now += 30
    await attempt(hosts, WELL)
    await attempt(hosts, WELL)


@pytest.mark.parametrize(
    ("result", "opens"),
    [
        (EffectResult("timed out", "timeout"), True),
        (EffectResult("failed", "connection"), True),
        (EffectResult("busy", "429"), True),
        (DOWN, True),
        (EffectResult("gone", "404"), False),
        (EffectResult("moved", "301"), False),
        (EffectResult("no URL", "fault"), False),
        (WELL, False),
        (None, False),
    ],
)
async def test_only_failures_of_the_host_open_its_breaker(clock, result, opens):
    hosts = HostThrottle(failures=2, clock=clock)
    for _ in range(2):
        await attempt(hosts, result)
    if opens:
        with pytest.raises(Throttled):
            await attempt(hosts, WELL)
    else:
        await attempt(hosts, WELL)


async def test_exception_in_the_block_does_not_open_the_breaker(clock):
    hosts = HostThrottle(failures=1, concurrency=1, clock=clock)
    with pytest.raises(RuntimeError):
        async with hosts.attempt(effect("http://a.example/")):
            raise RuntimeError
    await attempt(hosts, WELL)


async def test_retries_beyond_the_budget_wait_and_cost_nothing(clock):
    hosts = HostThrottle(clock=clock, budget=RetryBudget(clock, floor=1.0, most=1.0))
    await attempt(hosts, WELL, number=2)
    for _ in range(3):
        with pytest.raises(Throttled) as refused:
            await attempt(hosts, WELL, number=2)
        assert refused.value.seconds == 1.0
    await attempt(hosts, WELL, number=1)
    clock.now += 1
    await attempt(hosts, WELL, number=2)


async def test_ten_minutes_of_503_cost_few_extra_requests(clock):
    """500 effects of 3 attempts each, against a host that is down for ten minutes."""
    hosts = HostThrottle(clock=clock)
    due = [(0.0, 1)] * 500
    made = {"down": 0, "up": 0}
    while due:
        at, number = heappop(due)
        clock.now = max(clock.now, 1000.0 + at)
        down = clock.now < 1600.0
        try:
            await attempt(hosts, DOWN if down else WELL, number=number)
        except Throttled as refused:
            heappush(due, (clock.now - 1000.0 + refused.seconds, number))
            continue
        made["down" if down else "up"] += 1
        if down:
            heappush(due, (clock.now - 1000.0 + 2.0, min(number + 1, 3)))
    assert made["up"] == 500
    assert made["down"] < 100


async def test_throttle_forgets_old_hosts(clock):
    hosts = HostThrottle(failures=1, clock=clock)
    for number in range(REMEMBERED * 3):
        await attempt(hosts, DOWN if number % 2 else WELL, f"http://h{number}.example/")
    assert len(hosts._hosts) <= REMEMBERED
    with pytest.raises(Throttled):
        await attempt(hosts, WELL, f"http://h{REMEMBERED * 3 - 1}.example/")
