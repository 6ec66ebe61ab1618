"""Bad requests over HTTP: each has its status and the one form, and changes nothing."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from resumer_daemon.api.middleware import LARGEST
from tests.harness import Database
from tests.harness.client import Answer, Client, Holders
from tests.harness.running import Running, running
from tests.harness.service import Service, allow, ask

PLAIN = {"Content_Type": "text/plain"}
DEEP = b'{"data": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}"

BODIES: dict[str, tuple[str, bytes, int]] = {
    "no json": ("resume", b"{", 400),
    "two documents": ("resume", b"{} {}", 400),
    "no utf-8": ("resume", b'{"reason": "\xff"}', 400),
    "a number that is none": ("resume", b'{"data": {"a": NaN}}', 400),
    "too deep": ("resume", DEEP, 400),
    "a number without end": ("resume", b'{"data": {"a": ' + b"9" * 5_000 + b"}}", 400),
    "an open brace a thousand times": ("resume", b"{" * 1_000, 400),
    "null": ("resume", b"null", 422),
    "a list": ("resume", b"[]", 422),
    "a text": ("resume", b'"resume"', 422),
    "a field that nobody knows": ("resume", b'{"actor": "root"}', 422),
    "a field of another move": ("pause", b'{"force": true}', 422),
    "data that is a list": ("resume", b'{"data": []}', 422),
    "data that is null": ("resume", b'{"data": null}', 422),
    "force that is a text": ("resume", b'{"force": "yes"}', 422),
    "force that is a number": ("resume", b'{"force": 1}', 422),
    "a reason that is a number": ("pause", b'{"reason": 7}', 422),
    "an empty reason": ("pause", b'{"reason": ""}', 422),
    "a long reason": ("pause", b'{"reason": "%s"}' % (b"x" * 1_001), 422),
    "a step that is a list": ("retry", b'{"from_step": ["ask"]}', 422),
    "too much": ("cancel", b'{"reason": "%s"}' % (b"x" * LARGEST), 413),
    "no incident to retry": ("retry", b"{}", 409),
    "no approval and no force": ("resume", b'{"reason": "I say so"}', 409),
    "a pause that is a text": ("resume", b'{"pause_number": "1"}', 422),
    "a pause below zero": ("retry", b'{"pause_number": -1}', 422),
    "a pause beyond an integer": ("retry", b'{"pause_number": 2147483648}', 422),
    "force without the pause": ("resume", b'{"force": true, "reason": "I say so"}', 409),
    "another pause": ("resume", b'{"force": true, "reason": "now", "pause_number": 2}', 409),
    "force without a reason": ("resume", b'{"force": true}', 409),
}

PATHS: dict[tuple[str, str], int] = {
    ("GET", "/executions/1/status"): 404,
    ("GET", "/executions/../status"): 404,
    ("GET", "/executions/%00/status"): 422,
    ("GET", "/executions/' OR 1=1 --/status".replace(" ", "%20")): 404,
    ("GET", "/executions/{id}/nothing"): 404,
    ("GET", "/executions/{id}"): 404,
    ("GET", "/nothing"): 404,
    ("DELETE", "/executions/{id}/status"): 405,
    ("GET", "/executions/{id}/pause"): 405,
    ("POST", "/executions/paused"): 405,
    ("POST", "/executions/00000000-0000-0000-0000-000000000000/cancel"): 404,
    ("GET", "/executions/paused?limit=0"): 422,
    ("GET", "/executions/paused?limit=201"): 422,
    ("GET", "/executions/paused?limit=many"): 422,
    ("GET", "/executions/paused?reason=boredom"): 422,
    ("GET", "/executions/paused?cursor=x"): 422,
    ("GET", "/executions/paused?cursor=%C3%A4"): 422,
    ("GET", "/executions/paused?cursor=12-ab"): 422,
    ("GET", "/executions/paused?cursor=" + "x" * 300): 422,
    ("GET", "/ledger?cursor=many"): 422,
    ("GET", "/ledger?cursor=-1"): 422,
    ("GET", "/ledger?execution=exec_1"): 404,
}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(database, http_rate_limit=10_000) as made:
        yield made


@pytest.fixture
def client(daemon: Running, database: Database) -> Client:
    return Client(daemon.address, Holders(database).token())


def left(database: Database) -> list[tuple[object, ...]]:
    return database.run(
        "SELECT (SELECT count(*) FROM resumer.requests), (SELECT string_agg(status, '')"
        " FROM workflow_executions), (SELECT count(*) FROM resumer.idempotency_keys)"
    )


def test_a_body_that_cannot_be_taken_changes_nothing(service: Service, client: Client):
    execution = service.paused()
    before = left(service.database)
    answers = {
        name: client.ask("POST", f"/executions/{execution}/{move}", body, Idempotency_Key=name)
        for name, (move, body, _) in BODIES.items()
    }
    assert statuses(answers) == {name: status for name, (_, _, status) in BODIES.items()}
    assert [a for a in answers.values() if not a.problem["detail"]] == []
    assert left(service.database) == before


def statuses(answers: dict[str, Answer]) -> dict[str, int]:
    return {name: answer.status for name, answer in answers.items()}


def test_a_path_that_leads_nowhere_is_told(service: Service, client: Client):
    execution = service.paused()
    before = left(service.database)
    found = {
        (method, path): client.ask(method, path.replace("{id}", str(execution)), b"")
        for method, path in PATHS
    }
    assert {where: answer.status for where, answer in found.items()} == PATHS
    assert [a for a in found.values() if not a.problem["title"]] == []
    unknown = found["GET", "/nothing"], found["DELETE", "/executions/{id}/status"]
    assert all("/api/v1/openapi.json" in answer.problem["hint"] for answer in unknown)
    assert left(service.database) == before


def test_each_fault_of_a_body_is_told_with_its_place(client: Client):
    path = "/executions/00000000-0000-0000-0000-000000000000/resume"
    answer = client.post(path, {"force": "yes", "actor": "root"})
    assert {fault["place"] for fault in answer.problem["errors"]} == {"body.force", "body.actor"}


def test_a_body_that_says_it_is_no_json_is_not_guessed_at(service: Service, client: Client):
    path = f"/executions/{service.paused()}/cancel"
    for body in (b"reason=x", b"{}"):
        answer = client.ask("POST", path, body, **PLAIN)
        assert answer.status == 422
        assert answer.problem["hint"] == "Content-Type: application/json"


def test_what_is_not_possible_says_what_is(service: Service, client: Client):
    execution = service.paused()
    answer = client.post(f"/executions/{execution}/resume", {"reason": "hm"}).problem
    assert answer["code"] == "RZ409"
    assert "force" in answer["hint"]
    [request] = service.asked(execution)
    service.decide(request, "approved")
    service.ended(execution)
    for move in ("pause", "resume", "cancel", "retry"):
        assert client.post(f"/executions/{execution}/{move}").problem["status"] == 409, move


def test_a_body_without_an_end_is_cut_off(service: Service, client: Client, daemon: Running):
    """It says nothing of its length, and goes on until it is answered."""
    execution = service.paused()
    host, port = urlsplit(daemon.address).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /api/v1/executions/{execution}/cancel HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {client.bearer}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for size in (LARGEST, 1):  # not a byte more, which might be on its way when it is closed
            connection.sendall(b"%x\r\n%s\r\n" % (size, b"x" * size))
        said = connection.recv(65_536).decode()
    assert said.startswith("HTTP/1.1 413 ")
    assert "application/problem+json" in said


def test_a_stranger_is_refused_before_the_body_is_read(daemon: Running, service: Service):
    execution = service.paused()
    host, port = urlsplit(daemon.address).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /api/v1/executions/{execution}/cancel HTTP/1.1\r\nHost: {host}\r\n"
            "Content-Length: 1000000000\r\n\r\n".encode()
        )
        assert connection.recv(65_536).decode().startswith("HTTP/1.1 401 ")


def test_who_asks_too_often_is_told_to_wait(database: Database):
    holders = Holders(database)
    with running(database, http_rate_limit=0.001) as daemon:
        often, other = (Client(daemon.address, holders.token()) for _ in range(2))
        assert often.get("/ledger").status == 200
        answer = often.get("/ledger")
        assert answer.problem["status"] == 429
        assert 0 < int(answer.headers["retry-after"]) <= 1000
        assert other.get("/ledger").status == 200


def test_a_known_bearer_is_admitted_whoever_guesses_from_the_same_address(
    database: Database,
):  # C37
    with running(database, http_rate_limit=0.001) as daemon:
        known, younger = Holders(database).token(), Holders(database).token()
        guessed = [Client(daemon.address, f"guess {n}").get("/ledger").status for n in range(65)]
        assert guessed == [401] + [429] * 64
        assert Client(daemon.address, known).get("/ledger").status == 200
        assert Client(daemon.address, f"{known}x").get("/ledger").status == 429
        assert Client(daemon.address, younger).get("/ledger").status == 200
        assert Client(daemon.address).get("/ledger").status == 429


def test_a_revoked_bearer_is_a_stranger_again(database: Database):  # C37
    with running(database, http_rate_limit=0.001) as daemon:
        client = Client(daemon.address, Holders(database).token())
        assert client.get("/ledger").status == 200
        database.run("UPDATE resumer.tokens SET revoked_at = now()")
        assert [client.get("/ledger").status for _ in range(2)] == [401, 429]


def test_behind_a_trusted_proxy_each_client_guesses_for_itself(database: Database):  # C37
    def guess(daemon: Running, forwarded: str) -> int:
        client = Client(daemon.address, "guessed")
        return client.get("/ledger", X_Forwarded_For=forwarded).status

    trusted = "127.0.0.0/8, 192.0.2.0/24"
    with running(database, http_rate_limit=0.001, http_trusted_proxies=trusted) as daemon:
        assert guess(daemon, "203.0.113.7") == 401
        assert guess(daemon, "203.0.113.7") == 429
        assert guess(daemon, "203.0.113.8") == 401
        assert guess(daemon, "198.51.100.1, 203.0.113.8, 192.0.2.3") == 429
    with running(database, http_rate_limit=0.001) as daemon:
        assert guess(daemon, "203.0.113.7") == 401
        assert guess(daemon, "203.0.113.8") == 429


@pytest.mark.parametrize("headers", ["Transfer-Encoding: chunked\r\nContent-Length: 6",
                                     "Content-Length: 6\r\nTransfer-Encoding: chunked",
                                     "Content-Length: 0\r\ntransfer-encoding:chunked"])  # fmt: skip
@pytest.mark.parametrize("path", ["/livez", "/api/v1/ledger", "/nowhere"])
def test_a_request_with_a_length_and_an_encoding_is_refused_and_closed(  # C38
    daemon: Running, headers: str, path: str
):
    host, port = urlsplit(daemon.address).netloc.split(":")
    smuggled = "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        request = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}"
        connection.sendall(request.encode())
        said = b""
        while part := connection.recv(65_536):
            said += part
    assert said.count(b"HTTP/1.1 ") == 1
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in said.lower()
    assert b"application/problem+json" in said


def test_without_a_database_the_answer_is_503(own_server, own_database: Database):
    with running(own_database) as daemon:
        client = Client(daemon.address, Holders(own_database).token())
        assert client.get("/ledger").status == 200
        own_server.stop()
        answer = client.get("/ledger")
        assert answer.status == 503
        assert answer.problem["detail"] == "The database does not respond."
        assert answer.headers["retry-after"] == "1"
        own_server.start()


def test_what_a_reason_holds_is_stored_or_replaced(service: Service, client: Client):
    execution = service.paused()
    body = b'{"reason": "\\u0000 \\ud800 \xf0\x9f\x91\x8d \\u001b[31m \'; DROP TABLE x; --"}'
    answer = client.ask("POST", f"/executions/{execution}/cancel", body)
    assert answer.status == 202
    service.ended(execution)
    [(reason,)] = service.database.run("SELECT reason FROM resumer.requests WHERE kind = 'cancel'")
    assert reason == "\ufffd \ufffd \U0001f44d \x1b[31m '; DROP TABLE x; --"


def test_an_id_is_understood_in_every_form_of_a_uuid(service: Service, client: Client):
    execution = service.paused()
    for form in (str(execution).upper(), execution.hex):
        answer = client.get(f"/executions/{form}/status")
        assert UUID(answer.json["id"]) == execution
