"""The roles of `migrate grants` can do what they are for: look, move, and keep a hold."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.harness import Database, eventually_sync
from tests.harness.database import give_rights, member_of
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

pytestmark = pytest.mark.parametrize("vintage", ["v1", "v5"])

LOOKS = (
    "SELECT * FROM resumer.inbox",
    "SELECT * FROM resumer.lag",
    "SELECT * FROM resumer.ledger",
    "SELECT * FROM resumer.incidents",
    "SELECT resumer.status(execution_id), resumer.explain(execution_id) FROM resumer.inbox",
    "SELECT resumer.status(execution_key), resumer.explain(execution_key) FROM resumer.inbox",
    "SELECT resumer.find(execution_key) FROM resumer.inbox",
)


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as bound, running(bound, allow_superuser="false"):
        made = Service(database)
        made.workflow(ask(), allow())
        yield made


def test_a_reader_looks_and_moves_nothing(service: Service, database: Database):
    service.paused()
    with member_of(database, "resumer_reader") as reader:
        for look in LOOKS:
            reader.run(look)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.run("SELECT resumer.pause(execution_id) FROM resumer.inbox")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.run("SELECT resumer.pause(execution_key) FROM resumer.inbox")


def test_an_operator_holds_pauses_and_lets_go(service: Service, database: Database):
    execution = service.paused()
    with member_of(database, "resumer_operator") as operator:
        for look in LOOKS:
            operator.run(look)
        operator.run("SELECT resumer.pause(execution_key, 'stock count') FROM resumer.inbox")
        eventually_sync(lambda: service.standing(execution)[1] == "manual")
        operator.run("SELECT resumer.hold('flow', ttl => '1 hour')")
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
        operator.run("SELECT resumer.release('flow')")
        operator.run("SELECT resumer.resume(%s)", execution)
        assert service.ended(execution)["result"] == "allowed"


def test_a_bound_daemon_releases_a_hold_whose_time_is_over(service: Service, database: Database):
    execution = service.paused()
    database.run("SELECT resumer.hold('*', ttl => '1 hour')")
    service.decide(service.asked(execution)[0], "approved")
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    database.run("UPDATE resumer.holds SET until = now()")
    assert service.ended(execution)["result"] == "allowed"
    actions = database.run("SELECT action FROM audit_log")
    assert ("resumed",) in actions
