"""Moves over HTTP leave the same requests as SQL, once for each key, under the caller's name."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.harness import Database, eventually_sync, every_vintage
from tests.harness.client import SECRET, Client, Holders
from tests.harness.running import running
from tests.harness.service import Service, allow, ask


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(on_false="refuse"), allow(), allow("refuse"))
    return made


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    with running(service.database, http_rate_limit=10_000, jwt_secret=SECRET) as daemon:
        yield daemon.address


@pytest.fixture
def client(address: str, database: Database) -> Client:
    return Client(address, Holders.of(database).token(name="night"))


def recorded(database: Database, kind: str) -> list[tuple[Any, ...]]:
    return database.run(
        "SELECT id, actor, reason FROM resumer.requests WHERE kind = %s ORDER BY id", kind
    )


@every_vintage
def test_a_move_leaves_one_request_with_the_callers_name_and_its_reason(
    service: Service, client: Client
):
    execution = service.paused()
    answer = client.post(f"/executions/{execution}/cancel", {"reason": "ordered twice"})
    assert answer.status == 202
    request = answer.json["request"]
    assert recorded(service.database, "cancel") == [(request, "token:night", "ordered twice")]
    status = f"/api/v1/executions/{execution}/status"
    assert answer.headers["location"] == status
    assert answer.json == {
        "request": request,
        "move": "cancel",
        "execution": str(execution),
        "execution_id": client.get(f"/executions/{execution}/status").json["execution_id"],
        "status": status,
    }
    assert service.ended(execution)["status"] == "cancelled"


@every_vintage
def test_an_execution_is_named_by_its_key_as_well_as_by_its_id(service: Service, client: Client):
    execution = service.paused()
    key = client.get(f"/executions/{execution}/status").json["execution_id"]
    for read in ("status", "explain", "resume-options"):
        by_key = client.get(f"/executions/{key}/{read}")
        by_id = client.get(f"/executions/{execution}/{read}")
        assert (by_key.status, by_key.json.keys()) == (200, by_id.json.keys())
        assert by_key.json["execution_id"] == by_id.json["execution_id"] == key
    assert client.get("/executions/exec_nobody/status").status == 404
    assert client.post("/executions/exec_nobody/cancel", {}).status == 404
    answer = client.post(f"/executions/{key}/cancel", {"reason": "ordered twice"})
    assert (answer.status, answer.json["execution"]) == (202, str(execution))
    assert answer.json["execution_id"] == key
    service.ended(execution)
    ledger = client.get(f"/ledger?execution={key}").json
    assert ledger == client.get(f"/ledger?execution={execution}").json
    assert ledger["items"]


@pytest.mark.parametrize("vintage", ["v5"])
def test_whoever_asks_is_named(service: Service, address: str, database: Database):
    holders = Holders.of(database)
    for bearer in (holders.key(), holders.jwt(), holders.jwt(sub=None, email="mia@example.com")):
        answer = Client(address, bearer).post(f"/executions/{service.paused()}/cancel")
        assert answer.status == 202
    actors = [actor for _, actor, _ in recorded(database, "cancel")]
    assert actors == ["api_key:console", "user:mia", "user:mia@example.com"]


def test_a_resume_over_an_approval_brings_its_data(service: Service, client: Client):
    execution, refused = service.paused(), service.paused()
    asked = {"force": True, "reason": "by phone", "data": {"note": "ok"}, "pause_number": 1}
    assert client.post(f"/executions/{execution}/resume", asked).status == 202
    refusal = {**asked, "data": {"approved": False}}
    assert client.post(f"/executions/{refused}/resume", refusal).status == 202
    assert service.ended(execution)["resume_data"]["note"] == "ok"
    service.ended(refused)
    assert service.steps(execution) == ["ask", "release"]
    assert service.steps(refused) == ["ask", "refuse"]


def test_the_same_key_is_the_same_request(service: Service, client: Client):
    execution = service.paused()
    path = f"/executions/{execution}/cancel"
    answers = [client.post(path, {"reason": "once"}, Idempotency_Key="k1") for _ in range(3)]
    assert {(a.status, a.text) for a in answers} == {(202, answers[0].text)}
    assert len(recorded(service.database, "cancel")) == 1
    service.ended(execution)
    late = client.post(path, {"reason": "once"}, Idempotency_Key="k1")
    assert (late.status, late.text) == (202, answers[0].text)
    spelled = client.ask("POST", path, b' {"reason" :"once"} ', Idempotency_Key="k1")
    assert (spelled.status, spelled.text) == (202, answers[0].text)


def test_the_same_key_with_anything_else_is_a_fault_and_changes_nothing(
    service: Service, client: Client, database: Database
):
    execution, other = service.paused(), service.paused()
    first = client.post(f"/executions/{execution}/pause", {"reason": "a"}, Idempotency_Key="k1")
    assert first.status == 202
    different = [
        client.post(f"/executions/{execution}/pause", {"reason": "b"}, Idempotency_Key="k1"),
        client.post(f"/executions/{execution}/cancel", {"reason": "a"}, Idempotency_Key="k1"),
        client.post(f"/executions/{other}/pause", {"reason": "a"}, Idempotency_Key="k1"),
    ]
    assert [answer.problem["status"] for answer in different] == [422, 422, 422]
    assert len(recorded(database, "pause")) == 1
    assert recorded(database, "cancel") == []


def test_a_key_belongs_to_its_caller(service: Service, client: Client, database: Database):
    other = Client(client.address, Holders.of(database).token())
    for caller in (client, other):
        execution = service.paused()
        answer = caller.post(f"/executions/{execution}/cancel", {}, Idempotency_Key="k1")
        assert answer.status == 202
    assert len(recorded(database, "cancel")) == 2


def test_a_refusal_is_not_kept_under_the_key(service: Service, client: Client):
    service.workflow(allow(), name="quick")
    execution = service.start("quick")
    service.ended(execution)
    path = f"/executions/{execution}/retry"
    assert client.post(path, {}, Idempotency_Key="k1").status == 409
    path = f"/executions/{service.incident()}/retry"
    assert client.post(path, {}, Idempotency_Key="k1").status == 202


def test_many_at_once_with_one_key_leave_one_request(service: Service, client: Client):
    execution = service.paused()

    def post() -> list[tuple[int, str]]:
        """On a busy machine one may wait too long for the first, and is told to come again."""
        answer = client.post(f"/executions/{execution}/cancel", {}, Idempotency_Key="k1")
        return [] if answer.status == 503 else [(answer.status, answer.text)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: eventually_sync(post)[0], range(16)))
    assert set(answers) == {(202, answers[0][1])}
    assert len(recorded(service.database, "cancel")) == 1


def test_a_key_is_forgotten_after_a_day(service: Service, client: Client):
    executions = [service.paused() for _ in range(2)]
    client.post(f"/executions/{executions[0]}/cancel", {}, Idempotency_Key="old")
    service.database.run(
        "UPDATE resumer.idempotency_keys SET created_at = created_at - interval '25 hours'"
    )
    client.post(f"/executions/{executions[1]}/cancel", {}, Idempotency_Key="new")
    assert service.database.run("SELECT key FROM resumer.idempotency_keys") == [("new",)]


def test_a_key_that_is_none_is_a_fault(service: Service, client: Client):
    path = f"/executions/{service.paused()}/cancel"
    assert client.post(path, {}, Idempotency_Key="").status == 422
    assert client.post(path, {}, Idempotency_Key="x" * 256).status == 422


@pytest.mark.parametrize("name", ["data", "resume_data"])
def test_what_a_resume_brings_has_the_name_of_the_service_too(
    service: Service, client: Client, name: str
):  # C27
    execution = service.paused()
    asked = {name: {"note": "seen"}, "force": True, "reason": "urgent", "pause_number": 1}
    assert client.post(f"/executions/{execution}/resume", asked).status == 202
    assert service.ended(execution)["resume_data"]["note"] == "seen"


def test_a_resume_with_both_names_is_refused(service: Service, client: Client):  # C27
    execution = service.paused()
    asked = {"data": {"a": 1}, "resume_data": {"a": 2}, "force": True, "reason": "urgent"}
    assert client.post(f"/executions/{execution}/resume", asked).status == 422
