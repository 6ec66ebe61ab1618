"""Reading over HTTP: the state of an execution, its possible moves, pages of the paused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.client import Client, Holders
from tests.harness.receiver import answering, receiver, silent
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

WAIT = {"id": "wait", "type": "wait", "wait": {"event": "paid", "timeout": "1h"}, "next": "release"}
LEASE: dict[str, Any] = {
    "http_allow": "localhost",
    "lease": "3s",
    "effect_deadline": "1s",
    "drain_timeout": "1s",
}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(on_false="refuse"), allow(), allow("refuse"))
    made.workflow(WAIT, allow(), name="waits")
    return made


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with running(service.database, http_rate_limit=10_000) as daemon:
        yield Client(daemon.address, Holders.of(service.database).token())


@every_vintage
def test_the_status_tells_how_it_stands_and_what_it_waits_for(service: Service, client: Client):
    execution = service.paused()
    [request] = service.asked(execution)
    told = client.get(f"/executions/{execution}/status").json
    assert (told["id"], told["status"]) == (str(execution), "paused")
    assert (told["paused_reason"], told["paused_step_id"]) == ("approval_required", "ask")
    assert told["next_step_id"] == "release"
    assert [a["request_id"] for a in told["waiting_for"]["approvals"]] == [request]
    assert (told["resume_count"], told["last_resumed_at"]) == (0, None)
    service.decide(request, "approved")
    service.ended(execution)
    told = client.get(f"/executions/{execution}/status").json
    assert (told["status"], told["result"], told["resume_count"]) == ("completed", "allowed", 1)
    assert told["paused_reason"] is None
    assert told["last_resumed_at"]


def test_who_knows_the_status_is_told_only_that_it_still_is_so(service: Service, client: Client):
    execution = service.paused()
    path = f"/executions/{execution}/status"
    tag = client.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, If_None_Match=known)
        assert (again.status, again.text, again.headers["etag"]) == (304, "", tag)
    assert client.get(path, If_None_Match='"other"').status == 200
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    changed = client.get(path, If_None_Match=tag)
    assert changed.status == 200
    assert changed.headers["etag"] != tag


def test_the_pages_hold_everything_once_whatever_is_paused_meanwhile(
    service: Service, client: Client
):
    executions = [service.paused(name) for name in ("flow", "waits", "flow", "flow", "waits")]
    found: list[str] = []
    after = ""
    while after is not None:
        page = client.get(f"/executions/paused?limit=2{after and f'&cursor={after}'}").json
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        after = page["next"]
        if len(executions) < 7:
            executions.append(service.paused())
    assert found == [str(execution) for execution in executions]


def test_what_is_paused_at_the_same_time_is_on_one_page_or_the_next(
    service: Service, client: Client
):
    executions = {str(service.paused()) for _ in range(5)}
    service.database.run("UPDATE resumer.pauses SET paused_at = '2026-01-31 09:30:00.123456+01'")
    first = client.get("/executions/paused?limit=3").json
    second = client.get(f"/executions/paused?limit=3&cursor={first['next']}").json
    assert second["next"] is None
    found = [item["id"] for item in first["items"] + second["items"]]
    assert (len(found), set(found)) == (5, executions)


def test_the_paused_are_found_by_their_reason(service: Service, client: Client):
    service.paused()
    waiting = service.paused("waits")
    items = client.get("/executions/paused?reason=waiting_for_event").json["items"]
    assert [item["id"] for item in items] == [str(waiting)]
    assert items[0]["waiting_for"]["event"] == "paid"


def test_the_ledger_tells_what_became_of_everything_newest_first(service: Service, client: Client):
    execution, other = service.paused(), service.paused()
    service.decide(service.asked(execution)[0], "approved", reason="fine")
    service.ended(execution)
    entries = client.get(f"/ledger?execution={execution}").json["items"]
    assert [(e["kind"], e["decision"], e["outcome"]) for e in entries] == [
        ("approval", "approved", "applied"),
        ("start", None, "applied"),
    ]
    everything = list(pages(client, "/ledger?limit=1"))
    assert {e["execution_id"] for e in everything} == {str(execution), str(other)}
    assert [e["request"] for e in everything] == sorted(e["request"] for e in everything)[::-1]


def pages(client: Client, path: str) -> Iterator[dict[str, Any]]:
    after = ""
    while after is not None:
        page = client.get(path + (after and f"&cursor={after}")).json
        yield from page["items"]
        after = page["next"]


def options(client: Client, execution: UUID) -> list[tuple[str, str | None]]:
    told = client.get(f"/executions/{execution}/resume-options").json
    assert told["execution"] == str(execution)
    return [(option["move"], option["leads_to"]) for option in told["options"]]


def test_the_options_tell_where_each_move_leads(service: Service, client: Client):
    execution, waiting = service.paused(), service.paused("waits")
    assert options(client, execution) == [
        ("decide", "release"),
        ("resume", "release"),
        ("resume", "refuse"),
        ("pause", None),
        ("cancel", None),
    ]
    assert options(client, waiting) == [("resume", "release"), ("pause", None), ("cancel", None)]
    told = client.get(f"/executions/{execution}/resume-options").json
    assert told["pause_number"] == 1
    assert [o["body"].get("pause_number") for o in told["options"]] == [None, 1, 1, None, None]
    client.post(f"/executions/{waiting}/cancel")
    service.ended(waiting)
    assert options(client, waiting) == []


def test_every_option_that_http_offers_is_one_that_it_takes(service: Service, client: Client):
    taken = []
    for number in range(len(options(client, service.paused()))):
        execution = service.paused()
        told = client.get(f"/executions/{execution}/resume-options").json["options"]
        option = told[number]
        if option["post"] is not None:
            assert option["post"] == f"/api/v1/executions/{execution}/{option['move']}"
            answer = client.post(option["post"].removeprefix("/api/v1"), option["body"])
            assert answer.status == 202, option
            taken.append(option["move"])
    assert taken == ["resume", "resume", "pause", "cancel"]


def test_an_option_says_whether_this_caller_may(service: Service, client: Client):
    execution = service.paused()
    reader = Client(client.address, Holders.of(service.database).token(["execution:read"]))
    found = reader.get(f"/executions/{execution}/resume-options").json["options"]
    assert {option["move"]: option["permitted"] for option in found} == {
        "decide": True,
        "resume": False,
        "pause": False,
        "cancel": False,
    }


async def test_after_an_incident_the_webhook_in_doubt_may_be_skipped(  # C42
    service: Service, database: Database, tmp_path: Path
):
    """The daemon that sends is killed. What failed before stays failed, and nobody waits for it."""
    async with receiver(answering(status=500), silent) as here:
        webhook = {"type": "webhook", "url": here.url()}
        service.workflow(
            {"id": "tell", "type": "execute", "execute": [webhook], "on_error": "ship"},
            {"id": "ship", "type": "execute", "execute": [webhook], "delivery": "at_most_once",
             "next": "release"},
            allow(), name="ships",
        )  # fmt: skip
        execution = service.start("ships")

        def in_doubt() -> None:
            with process(database, tmp_path / "log", **LEASE) as sending:
                eventually_sync(lambda: len(here.requests) == 2)
                sending.kill()

        def skipped() -> None:
            with running(database, **LEASE) as daemon:
                service.until(execution, "paused")
                client = Client(daemon.address, Holders.of(database).token())
                told = client.get(f"/executions/{execution}/resume-options").json["options"]
                key = here.requests[1].headers["idempotency-key"]
                assert [(option["move"], option["body"]) for option in told] == [
                    ("retry", {}),
                    ("retry", {"skip_effect": key, "reason": "..."}),
                    ("cancel", {}),
                ]
                assert client.post(f"/executions/{execution}/retry", told[1]["body"]).status == 202
                assert service.ended(execution)["result"] == "allowed"

        await asyncio.to_thread(in_doubt)
        await asyncio.to_thread(skipped)
    assert len(here.requests) == 2


def test_after_an_incident_without_a_webhook_nothing_can_be_skipped(
    service: Service, client: Client
):
    told = client.get(f"/executions/{service.incident()}/resume-options").json["options"]
    assert [(option["move"], option["body"]) for option in told] == [("retry", {}), ("cancel", {})]


@pytest.mark.parametrize("odd", ["infinity", "-infinity", "200000-01-01", "0044-03-15 BC"])
def test_a_time_that_python_cannot_hold_is_told_as_text(  # C41
    service: Service, client: Client, odd: str
):
    execution = service.paused()
    with service.database.connect(options="-c resumer.own=on") as theirs:
        theirs.execute("UPDATE workflow_executions SET started_at = %s, paused_at = %s", [odd, odd])
        theirs.execute("UPDATE approval_requests SET requested_at = %s", [odd])
    [item] = client.get("/executions/paused").json["items"]
    told = client.get(f"/executions/{execution}/status").json
    assert item["started_at"] == told["started_at"]
    assert told["started_at"].startswith(odd[:6])
    assert client.get(f"/executions/{execution}/explain").status == 200
    assert client.get(f"/executions/{execution}/resume-options").status == 200
    assert client.get("/ledger").status == 200


def test_numbers_are_told_as_they_are_stored(service: Service, client: Client):
    exact = "123456789012345678901234567890.123456789012345678901234567890"
    execution = service.paused()
    forced = '"force": true, "reason": "exactly", "pause_number": 1'
    body = f'{{{forced}, "data": {{"total": {exact}}}}}'
    assert client.ask("POST", f"/executions/{execution}/resume", body.encode()).status == 202
    service.ended(execution)
    [(stored,)] = service.database.run("SELECT resume_data ->> 'total' FROM workflow_executions")
    assert stored == exact


def test_requests_are_counted_by_template_and_by_what_they_were_answered(database: Database):
    with running(database) as daemon:
        client = Client(daemon.address, Holders.of(database).token())
        for caller in (client, client, Client(daemon.address)):
            caller.get(f"/executions/{uuid4()}/status")
        client.get("/executions/none/status")
        client.get(f"/{uuid4()}")
        client.ask("SPY", f"/{uuid4()}")
        client.ask("DELETE", "/ledger")
        status, other = "/api/v1/executions/{id}/status", "other"
        expected = [
            (status, "GET", 404, 3),
            (other, "GET", 401, 1),
            (other, "GET", 404, 1),
            (other, "other", 404, 1),
            ("/api/v1/ledger", "other", 405, 1),
        ]
        for route, method, answer, count in expected:
            labels = {"route": route, "method": method, "status": str(answer)}
            assert daemon.metric("resumer_http_requests_total", **labels) == count, labels
        assert daemon.metric("resumer_http_requests_total", route="/metrics") > 0
