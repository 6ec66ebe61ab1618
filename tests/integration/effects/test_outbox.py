"""Notifications are delivered to their channel with retries, or are dead with a reason."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.store import outbox
from resumer_daemon.store.session import Database as Store
from tests.harness import Database, eventually_sync
from tests.harness.receiver import Receiver, answering, listening, receiver
from tests.harness.running import running
from tests.harness.service import Service, allow

T = TypeVar("T")

OUTBOX = "SELECT state, attempts, delivered_to, error FROM resumer.outbox ORDER BY created_at"


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resumer_daemon.daemon.outbox.FIRST_RETRY", 0.02)


def tells(*recipients: str, **more: str) -> dict[str, Any]:
    told = {"type": "notify", "recipients": list(recipients), "message": "Order {{order}} waits"}
    return {"id": "tell", "type": "execute", "execute": [told | more], "next": "release"}


def route(here: Receiver) -> str:
    return f"json://127.0.0.1:{here.port}/{{target}}"


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def delivered(service: Service, routes: dict[str, str], **settings: Any) -> list[Any]:
    """Run an execution and its messages to their end. Return the outbox."""
    with running(service.database, notification_routes=routes, **settings):
        service.ended(service.start(payload={"order": 7}))
        eventually_sync(lambda: not left(service), of="everything is delivered or dead")
    return service.database.run(OUTBOX)


def left(service: Service) -> list[Any]:
    return service.database.run("SELECT key FROM resumer.outbox WHERE state = 'pending'")


async def test_notification_reaches_its_channel_with_its_key(service: Service):
    service.workflow(tells("role:finance"), allow())
    async with receiver(answering()) as here:
        rows = await beside(lambda: delivered(service, {"role:*": route(here)}))
    assert rows == [("delivered", 1, ["role:finance"], None)]
    [request] = here.requests
    assert request.head.startswith(b"POST /finance ")
    assert json.loads(request.body)["message"] == "Order 7 waits"
    assert service.database.run("SELECT key FROM resumer.outbox") == [
        (request.headers["idempotency-key"],)
    ]


async def test_channel_route_wins_over_the_first_other_match(service: Service):
    service.workflow(tells("#ops", channel="slack"), allow())
    async with receiver(answering()) as right, receiver(answering()) as wrong:
        routes = {"#*": route(wrong), "slack:#*": route(right)}
        await beside(lambda: delivered(service, routes))
    assert (len(right.requests), len(wrong.requests)) == (1, 0)
    assert right.requests[0].head.startswith(b"POST /%23ops ")


async def test_failed_delivery_is_retried_with_the_same_key(service: Service):
    service.workflow(tells("role:a"), allow())
    async with receiver(answering(status=503), answering(status=503), answering()) as here:
        rows = await beside(lambda: delivered(service, {"*": route(here)}))
    assert rows == [("delivered", 3, ["role:a"], None)]
    assert len({each.headers["idempotency-key"] for each in here.requests}) == 1


async def test_retry_skips_recipients_that_were_reached(service: Service):
    service.workflow(tells("role:a", "user:b"), allow())
    async with receiver(answering()) as well, receiver(answering(status=500), answering()) as ill:
        routes = {"role:*": route(well), "user:*": route(ill)}
        rows = await beside(lambda: delivered(service, routes))
    assert rows == [("delivered", 2, ["role:a", "user:b"], None)]
    assert (len(well.requests), len(ill.requests)) == (1, 2)


async def test_dead_message_has_a_reason_and_can_be_retried(service: Service, database: Database):
    service.workflow(tells("role:a"), allow())
    refusing = (answering(status=500), answering(status=500), answering())
    async with receiver(*refusing) as here:
        routes = {"*": route(here)}
        [row] = await beside(lambda: delivered(service, routes, notification_attempts=2))
        assert row[:3] == ("dead", 2, [])
        assert "500" in row[3]
        listed = await command(database, "list", "--state", "dead", "--json")
        [told] = json.loads(listed)
        assert told["attempts"] == 2
        assert "1 message " in await command(database, "retry", told["key"])

        def again() -> None:
            with running(database, notification_routes=routes):
                eventually_sync(lambda: not left(service))

        await beside(again)
    assert database.run(OUTBOX) == [("delivered", 1, ["role:a"], None)]


async def test_notification_without_route_is_dead_and_names_the_setting(
    service: Service, database: Database
):
    service.workflow(tells("role:a"), allow())
    rows = await beside(lambda: delivered(service, {"user:*": "json://127.0.0.1:9"}))
    assert rows == [("dead", 1, [], "no route for role:a (RESUMER_NOTIFICATION_ROUTES)")]
    assert "not dead: unknown" in await command(database, "retry", "unknown", code=1)
    assert "1 message " in await command(database, "retry", "--all")


def test_error_of_an_invalid_channel_does_not_show_its_address(service: Service):
    service.workflow(tells("role:a"), allow())
    [row] = delivered(service, {"*": "bogus://user:hunter2@x"}, notification_attempts=1)
    assert row[0] == "dead"
    assert "hunter2" not in row[3]


def test_daemon_without_routes_leaves_the_outbox_alone(service: Service, database: Database):
    service.workflow(tells("role:a"), allow())
    with running(database):
        service.ended(service.start(payload={"order": 7}))
    assert database.run(OUTBOX) == [("pending", 0, [], None)]


async def test_two_daemons_deliver_each_message_once(service: Service, database: Database):
    service.workflow(tells("role:a"), allow())
    async with receiver(answering()) as here:
        routes = {"*": route(here)}

        def work() -> None:
            with (
                running(database, notification_routes=routes),
                running(database, notification_routes=routes),
            ):
                for _ in range(40):
                    service.start(payload={"order": 7})
                eventually_sync(lambda: len(database.run(OUTBOX)) == 40 and not left(service))

        await beside(work)
    assert len({each.headers["idempotency-key"] for each in here.requests}) == 40
    assert len(here.requests) == 40


async def test_notification_is_delivered_by_email(service: Service):
    """A minimal mail server accepts the message and records its recipient."""
    service.workflow(tells("ada@example.com"), allow())
    said: list[bytes] = []

    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        text = False
        async for line in reader:
            said.append(line)
            if text and line != b".\r\n":
                continue
            text = line.upper().startswith(b"DATA")
            writer.write(b"354 go on\r\n" if text else b"250 ok\r\n")

    async with listening(mail) as port:
        routes = {"*@*": f"mailto://127.0.0.1:{port}?from=flow@example.com&to={{recipient}}"}
        rows = await beside(lambda: delivered(service, routes))
    assert rows == [("delivered", 1, ["ada@example.com"], None)]
    assert any(b"RCPT TO:<ada@example.com>" in line.replace(b"rcpt", b"RCPT") for line in said)
    assert any(b"Order 7 waits" in line for line in said)


async def command(database: Database, *arguments: str, code: int = 0) -> str:
    given = ["outbox", *arguments, "--database-url", database.url]
    result = await beside(lambda: CliRunner().invoke(app, given))
    assert result.exit_code == code, result.output
    return result.output


async def test_expired_claim_cannot_settle_a_message(service: Service):
    """Another daemon has claimed the message since."""
    service.workflow(tells("a@example.com"), allow())
    with running(service.database):
        service.ended(service.start())
    session = await Store(service.database.url).session()
    async with session.connection:
        [old] = await outbox.claim(session, 8, seconds=0.0)
        [new] = await outbox.claim(session, 8, seconds=60.0)
        assert not await outbox.settle(session, old, "pending", [], "too late")
        await outbox.postpone(session, old, [], "too late", 0.0)
        assert await outbox.claim(session, 8, seconds=60.0) == []
        assert await outbox.settle(session, new, "delivered", ["a@example.com"])
        assert not await outbox.settle(session, old, "pending", [], "too late")
    assert service.database.run("SELECT state, attempts, error FROM resumer.outbox") == [
        ("delivered", 2, None)
    ]


async def test_postponed_message_does_not_count_an_attempt(service: Service):  # C32
    service.workflow(tells("a@example.com"), allow())
    with running(service.database):
        service.ended(service.start())
    session = await Store(service.database.url).session()
    async with session.connection:
        [first] = await outbox.claim(session, 8, seconds=60.0)
        await outbox.postpone(session, first, [], "no files", 0.0)
        [again] = await outbox.claim(session, 8, seconds=60.0)
    assert (first.attempt, again.attempt) == (1, 1)
