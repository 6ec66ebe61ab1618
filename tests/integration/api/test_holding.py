"""What HTTP holds and releases: the same rows as SQL, and within the caller's reach alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Database, eventually_sync
from tests.harness.client import SECRET, Client, Holders
from tests.harness.database import give_rights, member_of
from tests.harness.running import running
from tests.harness.service import Rows, Service, allow, ask

HOLDS = (
    "SELECT workflow_id, organization_id IS NOT NULL, actor, reason, until - held_at > '1 hour',"
    " released_by FROM resumer.holds ORDER BY id"
)


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    """The address of a daemon with no more rights than it needs."""
    give_rights(service.database.url)
    with (
        member_of(service.database, "resumer_daemon") as bound,
        running(
            bound, allow_superuser="false", http_rate_limit=10_000, jwt_secret=SECRET
        ) as daemon,
    ):
        yield daemon.address


@pytest.fixture
def client(address: str, database: Database) -> Client:
    return Client(address, Holders.of(database).token(name="night"))


def holds(database: Database) -> list[tuple[Any, ...]]:
    return database.run(HOLDS)


@pytest.mark.parametrize("vintage", ["v1", "v5"])
@pytest.mark.parametrize("name", ["flow", "*"])
def test_what_is_held_keeps_its_decisions_until_it_is_released(
    service: Service, client: Client, database: Database, name: str
):
    execution = service.paused()
    asked = {"workflow": name, "reason": "stock count", "seconds": 7200}
    answer = client.post("/hold", asked)
    assert (answer.status, answer.json["workflow"]) == (200, name)
    kept, owned = None if name == "*" else name, database.vintage == "v5"
    assert holds(database) == [(kept, owned, "token:night", "stock count", True, None)]
    service.decide(service.asked(execution)[0], "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    assert client.post("/hold", asked).problem["status"] == 409
    released = client.post("/release", {"workflow": name, "per_second": 20})
    assert (released.status, released.json) == (200, {"workflow": name, "going": 1})
    assert service.ended(execution)["result"] == "allowed"
    assert holds(database) == [(kept, owned, "token:night", "stock count", True, "token:night")]
    assert "is not on hold" in client.post("/release", {"workflow": name}).problem["detail"]


def test_the_same_key_is_the_same_hold(service: Service, client: Client, database: Database):
    answers = [
        client.post("/hold", {"workflow": "flow"}, Idempotency_Key="k1").json for _ in range(3)
    ]
    assert answers == [answers[0]] * 3
    assert client.post("/hold", {"workflow": "*"}, Idempotency_Key="k1").problem["status"] == 422
    assert len(holds(database)) == 1


def test_what_is_no_hold_is_a_fault(client: Client, database: Database):
    for wrong in (
        None,
        {},
        {"workflow": ""},
        {"workflow": "flow", "seconds": 0},
        {"workflow": "flow", "seconds": "2h"},
        {"workflow": "flow", "more": 1},
    ):
        assert client.post("/hold", wrong).problem["status"] == 422, wrong
    assert client.post("/hold", {"workflow": "flo"}).problem["detail"] == "no workflow flo"
    assert client.post("/release", {"workflow": "flow", "per_second": 0}).problem["status"] == 422
    assert holds(database) == []


@pytest.mark.parametrize("vintage", ["v5"])
def test_nobody_holds_or_releases_what_is_another_organisations(
    service: Service, client: Client, database: Database
):
    others = Client(
        client.address,
        Holders(database, Rows.of(database).of_another_organization().organization).token(),
    )
    nobody = Client(client.address, Holders(database).jwt())
    assert others.post("/hold", {"workflow": "flow"}).problem["detail"] == "no workflow flow"
    for name in ("flow", "*"):
        assert nobody.post("/hold", {"workflow": name}).status == 404
    assert holds(database) == []
    assert others.post("/hold", {"workflow": "*"}).status == 200  # which is all of its own
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"
    assert client.post("/hold", {"workflow": "flow"}).status == 200
    for stranger, refusal in ((others, 409), (nobody, 404)):
        assert stranger.post("/release", {"workflow": "flow"}).status == refusal
    assert client.post("/release", {"workflow": "flow"}).status == 200


@pytest.mark.parametrize("vintage", ["v5"])
def test_a_token_of_every_organisation_holds_for_all(
    service: Service, client: Client, database: Database
):
    everywhere = Client(client.address, Holders(database).token(name="all"))
    assert everywhere.post("/hold", {"workflow": "flow"}).status == 200
    assert holds(database) == [("flow", False, "token:all", None, None, None)]
    assert client.post("/release", {"workflow": "flow"}).status == 409
    assert everywhere.post("/release", {"workflow": "flow"}).status == 200
