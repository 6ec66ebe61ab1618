"""Permissions over HTTP: every endpoint, every kind of caller, in its organisation and not."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from resumer_daemon.api.auth import Permission
from resumer_daemon.store import service_schema
from resumer_daemon.store.connection import connect
from tests.harness import Database, eventually_sync
from tests.harness.client import ALL, SECRET, Client, Holders
from tests.harness.database import give_rights, member_of
from tests.harness.inbox import Writer
from tests.harness.running import running
from tests.harness.service import Rows, Service, allow, ask

READ, PAUSE, RESUME, CANCEL = (permission.scope for permission in Permission)

NEEDS = {
    ("GET", "status"): READ,
    ("GET", "explain"): READ,
    ("GET", "resume-options"): READ,
    ("POST", "pause"): PAUSE,
    ("POST", "resume"): RESUME,
    ("POST", "retry"): RESUME,
    ("POST", "cancel"): CANCEL,
}
HOLDING = {"/hold": PAUSE, "/release": RESUME}
LISTS = ("/executions/paused", "/ledger")
ADMITTED = (200, 202, 409)  # let in; whether it is possible is another question
UNRECOGNISED = 401
NO_RIGHT = 403
NOT_FOUND = 404

Scopes = tuple[str, ...]
Case = tuple[str, tuple[str, str]]
Kinds = Mapping[str, tuple[Callable[[Holders], str | None], Scopes | None]]

SINGLE: Kinds = {
    f"{kind} with {scope}": (make, (scope,))
    for scope in ALL
    for kind, make in {
        "token": lambda h, scope=scope: h.token([scope]),
        "key": lambda h, scope=scope: h.key([scope]),
        "jwt": lambda h, scope=scope: h.jwt([scope]),
    }.items()
}
"""Every kind of credential with every permission alone; what each allows, None: it is not known."""

KINDS: Kinds = {
    **SINGLE,
    "token with all": (lambda h: h.token(), ALL),
    "key with all": (lambda h: h.key(), ALL),
    "jwt with all": (lambda h: h.jwt(), ALL),
    "token with none": (lambda h: h.token([]), ()),
    "key with none": (lambda h: h.key(None), ()),
    "key with other scopes": (lambda h: h.key(["execution", "*", "workflow:read"]), ()),
    "jwt with none": (lambda h: h.jwt(()), ()),
    "jwt with permissions that are no list": (lambda h: h.jwt(READ), ()),
    "jwt with permissions that are no texts": (lambda h: h.jwt([1, None, {READ: READ}]), ()),
    "nobody": (lambda _: None, None),
    "an empty bearer": (lambda _: "", None),
    "a token that never was": (lambda _: "resumer_" + "x" * 43, None),
    "an expired token": (lambda h: h.token(lasts="-1 second"), None),
    "a revoked token": (lambda h: h.revoked(), None),
    "an inactive key": (lambda h: h.key(is_active=False), None),
    "an expired key": (lambda h: h.key(expires_at="2020-01-01"), None),
    "an expired jwt": (lambda h: h.jwt(exp=1_000_000_000), None),
    "a jwt of the future": (lambda h: h.jwt(nbf=32_000_000_000), None),
    "a jwt without an end": (lambda h: h.jwt(exp=None), None),
    "a jwt that nobody signed": (lambda h: h.unsigned(), None),
    "a jwt of another secret": (lambda h: h.forged(secret="x" * 64), None),
    "a jwt of another algorithm": (lambda h: h.forged("HS512"), None),
    "a jwt of no organisation at all": (lambda h: h.jwt(organization_id="acme"), None),
    "a hash of a token": (lambda _: "0" * 64, None),
}


@contextmanager
def answering(database: Database, **settings: Any) -> Iterator[str]:
    """Run a daemon that knows the service's secret; once all is paused, yield its address."""
    started = "SELECT 1 FROM workflow_executions WHERE status <> 'paused'"
    with running(database, jwt_secret=SECRET, http_rate_limit=10_000, **settings) as daemon:
        eventually_sync(lambda: not database.run(started))
        yield daemon.address


def asked(client: Client, method: str, path: str) -> int:
    answer = client.ask(method, path, None if method == "GET" else b"")
    if answer.status >= 400:
        assert answer.problem
    return answer.status


def ledger(database: Database) -> list[tuple[object, ...]]:
    return database.run("SELECT count(*), max(id) FROM resumer.requests")


@pytest.fixture
def paused(database: Database) -> UUID:
    """An execution of the first organisation, where there are some; the first daemon pauses it."""
    service = Service(database)
    service.workflow(ask(), allow())
    return service.start()


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_every_caller_is_let_in_where_it_may_and_nowhere_else(database: Database, paused: UUID):
    holders = Holders.of(database)
    bearers = {name: make(holders) for name, (make, _) in KINDS.items()}
    cases = [(name, endpoint) for name in KINDS for endpoint in NEEDS]
    found: dict[Case, int] = {}
    with answering(database) as address:
        before = ledger(database)
        for may in (False, True):
            for name, endpoint in (case for case in cases if allowed(case) is may):
                client = Client(address, bearers[name])
                found[name, endpoint] = asked(client, endpoint[0], path(paused, endpoint))
            assert (ledger(database) != before) is may
        assert {case: status for case, status in found.items() if not fits(status, case)} == {}
        lists = {
            (name, path): asked(Client(address, bearer), "GET", path)
            for name, bearer in bearers.items()
            for path in (*LISTS, "/openapi.json")
        }
    for (name, path_), status in lists.items():
        scopes = KINDS[name][1]
        may = scopes is not None and (READ in scopes or path_ == "/openapi.json")
        assert status == (200 if may else UNRECOGNISED if scopes is None else NO_RIGHT), name


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_a_workflow_is_held_and_released_by_who_may_and_nobody_else(
    database: Database, paused: UUID
):
    holders = Holders.of(database)
    bearers = {name: make(holders) for name, (make, _) in KINDS.items()}
    with answering(database) as address:
        for may in (False, True):
            for name, bearer in bearers.items():
                for path_, needed in HOLDING.items():
                    scopes = KINDS[name][1]
                    if (needed in (scopes or ())) is not may:
                        continue
                    answer = Client(address, bearer).post(path_, {"workflow": "flow"})
                    refused = UNRECOGNISED if scopes is None else NO_RIGHT
                    assert answer.status in (ADMITTED if may else (refused,)), (name, path_)
            assert bool(database.run("SELECT 1 FROM resumer.holds")) is may


def path(execution: UUID, endpoint: tuple[str, str]) -> str:
    return f"/executions/{execution}/{endpoint[1]}"


def allowed(case: Case) -> bool:
    return NEEDS[case[1]] in (KINDS[case[0]][1] or ())


def fits(status: int, case: Case) -> bool:
    if allowed(case):
        return status in ADMITTED
    return status == (UNRECOGNISED if KINDS[case[0]][1] is None else NO_RIGHT)


@pytest.mark.parametrize("vintage", ["v5"])
def test_what_is_another_organisations_is_told_from_nothing_by_no_answer(
    database: Database, paused: UUID
):
    others = Holders(database, Rows.of(database).of_another_organization().organization)
    nothing = uuid4()
    with answering(database) as address:
        before = ledger(database)
        for bearer in (others.token(), others.key(), others.jwt()):
            client = Client(address, bearer)
            for method, move in NEEDS:
                data = b"" if method == "POST" else None
                paths = (path(execution, (method, move)) for execution in (paused, nothing))
                answers = [client.ask(method, each, data) for each in paths]
                assert [answer.status for answer in answers] == [NOT_FOUND, NOT_FOUND], move
                foreign, unknown = (answer.text for answer in answers)
                assert foreign.replace(str(paused), str(nothing)) == unknown
            for listed in (*LISTS, f"/ledger?execution={paused}"):
                assert client.get(listed).json == {"items": [], "next": None}
        assert ledger(database) == before


@pytest.mark.parametrize("vintage", ["v5"])
def test_a_token_of_every_organisation_reaches_all_and_a_jwt_of_none_reaches_nothing(
    database: Database, paused: UUID
):
    nobodys = Holders(database)
    with answering(database) as address:
        everywhere = Client(address, nobodys.token())
        assert everywhere.get(f"/executions/{paused}/status").status == 200
        assert len(everywhere.get("/executions/paused").json["items"]) == 1
        nowhere = Client(address, nobodys.jwt())
        assert nowhere.get(f"/executions/{paused}/status").status == NOT_FOUND
        assert nowhere.get("/executions/paused").json["items"] == []


@pytest.mark.parametrize("legacy", [True, False])
def test_the_older_right_to_cancel_allows_more_where_the_settings_say_so(
    database: Database, paused: UUID, legacy: bool
):
    old = Holders.of(database).token([CANCEL])
    with answering(database, legacy_permissions=legacy) as address:
        client = Client(address, old)
        for move in ("resume", "retry", "pause"):
            status = asked(client, "POST", f"/executions/{paused}/{move}")
            assert (status in ADMITTED) is legacy, move
        assert asked(client, "GET", f"/executions/{paused}/status") == NO_RIGHT


def test_without_tokens_and_secrets_nothing_but_health_and_metrics_answers(
    database: Database, paused: UUID
):
    with running(database) as daemon:
        assert [daemon.get(p)[0] for p in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
        holders = Holders.of(database)
        bearers = (None, "resumer_" + "x" * 43, holders.jwt(), holders.unsigned())
        for client in (Client(daemon.address, bearer) for bearer in bearers):
            for method, move in NEEDS:
                assert asked(client, method, f"/executions/{paused}/{move}") == UNRECOGNISED
            for path_ in HOLDING:
                assert client.post(path_, {"workflow": "*"}).status == UNRECOGNISED
            for other in (*LISTS, "/openapi.json", "/nothing"):
                assert asked(client, "GET", other) == UNRECOGNISED
        for page in ("/docs", "/redoc", "/openapi.json"):
            assert daemon.get(page)[0] == NOT_FOUND


def test_a_refusal_says_which_right_is_missing_and_how_to_come_in(database: Database, paused: UUID):
    with answering(database) as address:
        stranger = Client(address).get(f"/executions/{paused}/status")
        assert stranger.headers["www-authenticate"] == 'Bearer realm="resumer-daemon"'
        assert "resumer-daemon token create" in stranger.problem["hint"]
        reader = Client(address, Holders.of(database).token([READ], name="night"))
        answer = reader.post(f"/executions/{paused}/pause")
        assert answer.problem["detail"] == "token:night has no execution:pause"
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_a_daemon_with_no_more_rights_than_it_needs_opens_every_door(
    database: Database, paused: UUID
):
    give_rights(database.url)
    holders = Holders.of(database)
    bearers = (holders.token(), holders.key(), holders.jwt())
    with (
        member_of(database, "resumer_daemon") as bound,
        answering(bound, allow_superuser="false") as address,
    ):
        for client in (Client(address, bearer) for bearer in bearers):
            for number, (method, move) in enumerate(NEEDS):
                data = b"" if method == "POST" else None
                answer = client.ask(
                    method, path(paused, (method, move)), data, Idempotency_Key=str(number)
                )
                assert answer.status in ADMITTED, answer
            for listed in LISTS:
                assert client.get(listed).status == 200


@pytest.mark.parametrize("vintage", ["v5"])
async def test_keys_that_our_role_may_not_read_are_as_good_as_none(
    database: Database, writer: Writer
):
    """It may not, on a database whose grants are older than the HTTP interface."""
    role = sql.Identifier(writer.role)
    async with await connect(database.url) as connection:
        assert "api_keys" in await service_schema.probe(connection, "public")
        await connection.execute(sql.SQL("REVOKE SELECT ON public.api_keys FROM {}").format(role))
        await connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(role))
        assert "no_api_keys" in await service_schema.probe(connection, "public")
