"""`context.load`: from the cache, else from the endpoint of the settings, else left out."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from psycopg.types.json import Jsonb

from tests.harness import Database, eventually_sync
from tests.harness.receiver import Receiver, answering, dripping, receiver, silent
from tests.harness.running import process, running
from tests.harness.service import Service, ask

T = TypeVar("T")

JSON = ("Content-Type: application/json",)
GOLD = answering('{"id": "c/7", "tier": "gold"}', headers=JSON)
STEPS: list[dict[str, Any]] = [
    {
        "id": "tier",
        "type": "condition",
        "condition": {"field": "customer.tier", "operator": "eq", "value": "gold"},
        "on_true": "allow",
        "on_false": "refuse",
    },
    {"id": "allow", "type": "action", "action": "allow"},
    {"id": "refuse", "type": "action", "action": "block", "reason": "no gold"},
]
PAYLOAD = {"customer": {"id": "c/7", "name": "Ada"}, "order_id": 12}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


def workflow(service: Service, *load: str) -> None:
    service.workflow(definition={"context": {"load": list(load)}, "steps": STEPS})


def settings(here: Receiver, path: str = "customer", **headers: str) -> dict[str, Any]:
    url = here.url("/customers/{id}?full=1")
    return {
        "http_allow": "localhost",
        "context_endpoints": {path: {"url": url, "headers": headers} if headers else url},
    }


async def beside(work: Callable[[], T]) -> T:
    """Do what blocks beside the receiver."""
    return await asyncio.to_thread(work)


def played(service: Service, payload: object = None, **chosen: Any) -> dict[str, Any]:
    with running(service.database, **chosen):
        return service.ended(service.start(payload=PAYLOAD if payload is None else payload))


def cache(service: Service, **values: object) -> None:
    service.insert("context_cache", cache_key="k", entity_type="customer", **values)


@pytest.mark.parametrize("vintage", ["empty", "v5"])
async def test_what_is_not_cached_is_asked_of_its_endpoint(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RESUMER_SECRET_CRM", "s3cret")
    workflow(service, "customer")
    async with receiver(GOLD) as here:
        chosen = settings(here, Authorization="Bearer {{secrets.CRM}}")
        row = await beside(lambda: played(service, **chosen))
    assert row["result"] == "allowed"
    assert row["context"]["customer"] == {"id": "c/7", "tier": "gold"}
    assert row["context"]["order_id"] == 12
    assert "_meta" in row["context"]
    [request] = here.requests
    assert request.head.startswith(b"GET /customers/c%2F7?full=1 HTTP/1.1\r\n")
    assert request.headers["authorization"] == "Bearer s3cret"
    organization = request.headers.get("x-organization-id")
    vintage = service.database.vintage
    assert organization == (str(service.organization()) if vintage == "v5" else None)
    assert "s3cret" not in str(service.database.run("SELECT * FROM resumer.effects"))


async def test_what_is_cached_is_not_asked_for(service: Service):
    workflow(service, "customer")
    cache(service, entity_id="c/7", data=Jsonb({"tier": "gold"}))
    async with receiver(GOLD) as here:
        row = await beside(lambda: played(service, **settings(here)))
    assert row["result"] == "allowed"
    assert here.requests == []


async def test_what_is_cached_no_more_is_asked_for(service: Service):
    workflow(service, "customer")
    cache(service, entity_id="c/7", data=Jsonb({"tier": "old"}), expires_at="2020-01-01")
    async with receiver(GOLD) as here:
        row = await beside(lambda: played(service, **settings(here)))
    assert row["context"]["customer"]["tier"] == "gold"


async def test_each_resource_comes_to_its_place_in_the_order_of_the_definition(service: Service):
    """A later path goes into what an earlier one brought, wherever each was found."""
    workflow(service, "customer", "customer.history")
    cache(service, entity_id="c/7", data=Jsonb({"tier": "gold"}))  # of both: they share an entity
    service.database.run("UPDATE context_cache SET entity_id = 'another'")
    history = answering('[{"total": 1}]', headers=JSON)
    async with receiver(GOLD) as here, receiver(history) as there:
        endpoints = {"customer": here.url("/{id}"), "customer.history": there.url("/{id}")}
        chosen = {"http_allow": "localhost", "context_endpoints": endpoints}
        row = await beside(lambda: played(service, **chosen))
    expected = {"id": "c/7", "tier": "gold", "history": [{"total": 1}]}
    assert row["context"]["customer"] == expected


async def test_the_id_may_stand_beside_the_entity(service: Service):
    workflow(service, "customer")
    async with receiver(GOLD) as here:
        row = await beside(lambda: played(service, {"customer_id": 5}, **settings(here)))
    assert row["result"] == "allowed"
    assert here.requests[0].head.startswith(b"GET /customers/5?full=1 ")


async def test_a_failure_of_the_moment_is_tried_again(service: Service):
    workflow(service, "customer")
    async with receiver(answering("", 503), answering("", 429), GOLD) as here:
        row = await beside(lambda: played(service, **settings(here)))
    assert row["result"] == "allowed"
    assert len(here.requests) == 3
    assert len({request.headers["idempotency-key"] for request in here.requests}) == 1


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (answering("no such customer", 404), 1),
        (answering("busy", 500), 2),
        (answering("no JSON at all"), 1),
        (answering('"only a text"', headers=JSON), 1),
        (answering('{"notes": "' + "x" * 70_000 + '"}', headers=JSON), 1),
        (silent, 2),
        (dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x"), 2),
    ],
    ids=["404", "500", "text", "scalar", "too long", "silent", "slow"],
)
async def test_what_cannot_be_loaded_is_left_out(service: Service, answer: Any, requests: int):
    workflow(service, "customer")
    async with receiver(answer) as here:
        chosen = {**settings(here), "context_attempts": 2, "context_timeout": 0.3}
        row = await beside(lambda: played(service, **chosen))
    assert row["context"]["customer"] == PAYLOAD["customer"]
    assert row["result"] == "failed"  # the condition asks for a field that is missing
    assert len(here.requests) == requests


async def test_an_address_that_is_not_allowed_is_not_asked(service: Service):
    workflow(service, "customer")
    async with receiver(GOLD) as here:
        chosen = {**settings(here), "http_allow": ""}
        row = await beside(lambda: played(service, **chosen))
    assert row["context"]["customer"] == PAYLOAD["customer"]
    assert here.requests == []


async def test_without_an_id_nobody_is_asked(service: Service):
    workflow(service, "customer")
    async with receiver(GOLD) as here:
        row = await beside(lambda: played(service, {"order_id": 1}, **settings(here)))
    assert "customer" not in row["context"]
    assert here.requests == []


async def test_a_resume_loads_nothing_anew(service: Service):
    service.workflow(
        definition={"context": {"load": ["customer"]}, "steps": [ask(on_true="tier"), *STEPS]}
    )

    def decided(here: Receiver) -> dict[str, Any]:
        with running(service.database, **settings(here)):
            execution = service.paused(payload=PAYLOAD)
            service.decide(service.asked(execution)[0], "approved")
            return service.ended(execution)

    async with receiver(GOLD, answering('{"tier": "tin"}', headers=JSON)) as here:
        row = await beside(lambda: decided(here))
    assert row["result"] == "allowed"
    assert len(here.requests) == 1


async def test_the_time_that_loading_takes_counts(service: Service):
    definition = {"context": {"load": ["customer"]}, "timeout": "1s", "steps": STEPS}
    service.workflow(definition=definition)
    async with receiver(silent) as here:
        chosen = {**settings(here), "context_attempts": 1, "context_timeout": 1.5}
        row = await beside(lambda: played(service, **chosen))
    assert row["status"] == "failed"
    assert row["error_message"] == "timed out after 1s"


async def test_a_daemon_that_is_killed_while_it_loads_is_replaced(service: Service, tmp_path: Path):
    workflow(service, "customer")
    quick = {"context_timeout": 20.0, "drain_timeout": 0.3}

    def killed(here: Receiver) -> dict[str, Any]:
        chosen = {
            "http_allow": "localhost",
            "context_endpoints": f'{{"customer": "{here.url("/{id}")}"}}',
        }
        with process(service.database, tmp_path / "one", **chosen, **quick) as one:
            eventually_sync(one.ready, 40)
            execution = service.start(payload=PAYLOAD)
            eventually_sync(lambda: here.requests, of="the first daemon has asked")
            one.signal(signal.SIGTERM)
            one.wait()
        assert service.standing(execution) == ("running", None)
        with process(service.database, tmp_path / "two", **chosen):
            return service.ended(execution)

    async with receiver(silent, GOLD) as here:
        row = await beside(lambda: killed(here))
    assert row["result"] == "allowed"
    keys = [request.headers["idempotency-key"] for request in here.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1
