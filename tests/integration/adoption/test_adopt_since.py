"""Executions that were blocked before the installation stay so, unless a person adopts them."""

import json
from uuid import UUID

import pytest

from tests.acceptance.test_commands import USAGE, run
from tests.harness import Database, eventually_sync
from tests.harness.database import migrate_up
from tests.harness.running import running
from tests.harness.service import Service, Today, allow, ask, block

pytestmark = pytest.mark.parametrize("vintage", ["v1", "v5"])


@pytest.fixture
def today(unmigrated: Database) -> Today:
    return Today(Service(unmigrated))


@pytest.fixture
def blocked(unmigrated: Database, today: Today) -> dict[str, UUID]:
    """Return executions of before, by the key of the approval that each waits for."""
    workflow = today.service.workflow(ask(), allow(), block())
    found = {}
    for _ in range(5):
        execution = today.running(workflow)
        unmigrated.run(
            "UPDATE workflow_executions SET status = 'completed', result = 'blocked',"
            " completed_at = '2026-02-01' WHERE id = %s",
            execution,
        )
        found[today.asks(execution)] = execution
    migrate_up(unmigrated.url)
    return found


def test_they_are_left_alone(unmigrated: Database, today: Today, blocked: dict[str, UUID]):
    request, execution = next(iter(blocked.items()))
    with running(unmigrated):
        today.service.decide(request, "approved")
        eventually_sync(lambda: today.service.decisions(execution) == [("approved", "too_late")])
    assert today.service.look(execution)["result"] == "blocked"


def test_they_are_shown_first_and_asked_for_in_batches(
    unmigrated: Database, today: Today, blocked: dict[str, UUID]
):
    url = unmigrated.url
    since = ("adopt", "--since", "2026-02-01")
    assert "5 blocked executions found" in run(url, *since, "--batch", "2")
    assert "No blocked execution found" in run(url, "adopt", "--since", "2026-02-01T00:00:01Z")
    assert unmigrated.run("SELECT count(*) FROM resumer.requests") == [(0,)]
    said = json.loads(run(url, *since, "--batch", "2", "--yes", "--json"))
    assert {UUID(e["id"]) for e in said["executions"]} == set(blocked.values())
    with running(unmigrated):
        for request, execution in blocked.items():
            today.service.until(execution, "paused")
            today.service.decide(request, "approved")
            assert today.service.ended(execution)["result"] == "allowed"
    assert "No blocked execution found" in run(url, *since, "--yes")


@pytest.mark.parametrize(
    ("since", "found"), [("2w", "5"), ("P4D", "5"), ("1d", "No"), ("90m", "No")]
)
def test_a_duration_counts_back_from_now(
    unmigrated: Database, blocked: dict[str, UUID], since: str, found: str
):  # C18
    with unmigrated.connect() as connection:
        connection.execute("SET resumer.own = 'on'")  # or it would be a write that is looked at
        connection.execute(
            "UPDATE workflow_executions SET completed_at = now() AT TIME ZONE 'UTC' - interval '3d'"
        )
    assert f"{found} blocked execution" in run(unmigrated.url, "adopt", "--since", since)


def test_a_time_that_is_none_is_wrong_usage(unmigrated: Database, blocked: dict[str, UUID]):
    run(unmigrated.url, "adopt", "--since", "yesterday", code=USAGE)


def test_adoption_can_be_left_out(unmigrated: Database, today: Today, blocked: dict[str, UUID]):
    url = unmigrated.url
    assert "will stay blocked" in run(url, "migrate", "up", "--no-adopt-blocked")
    assert "will stay blocked" not in run(url, "migrate", "up", "--no-adopt-blocked")
    execution = today.running(today.service.workflow(ask(), allow(), name="another"))
    with running(unmigrated):
        request = today.asks(execution)
        today.blocks(execution)
        today.service.decide(request, "approved")
        eventually_sync(lambda: today.service.decisions(execution) == [("approved", "too_late")])
        assert today.service.look(execution)["result"] == "blocked"
        assert "will become pauses" in run(url, "migrate", "up", "--adopt-blocked")
        execution = today.running(today.service.workflow(ask(), allow(), name="third"))
        today.asks(execution)
        today.blocks(execution)
        eventually_sync(lambda: today.service.pause(execution))
