"""As whom the daemon runs: bound by rights and policies, and never blind without saying so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resumer_daemon.errors import ContractError
from resumer_daemon.store import session as store
from tests.harness import Database, eventually_sync
from tests.harness.database import give_rights, member_of
from tests.harness.running import process, running
from tests.harness.service import Service, allow, ask

HIDE = "ALTER TABLE workflow_executions ENABLE ROW LEVEL SECURITY"
STRICT: dict[str, Any] = {"allow_superuser": "false"}


@pytest.fixture
def service(database: Database) -> Service:
    made = Service(database)
    made.workflow(ask(), allow())
    return made


@pytest.fixture
def bound(database: Database) -> Iterator[Database]:
    """The database as the daemon should see it."""
    give_rights(database.url)
    with member_of(database, "resumer_daemon") as made:
        yield made


def decided(service: Service) -> None:
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


@pytest.mark.parametrize("vintage", ["v1", "v5"])
def test_the_daemon_works_with_the_rights_that_are_listed(service: Service, bound: Database):
    with running(bound, **STRICT) as daemon:
        decided(service)
        assert daemon.metric("resumer_database_errors_total") == 0


def test_the_daemon_refuses_to_run_as_a_superuser(database: Database, tmp_path: Path):
    with process(database, tmp_path / "log", **STRICT) as daemon:
        assert daemon.wait() == 1
        assert any("is a superuser" in line["event"] for line in daemon.log())


def test_a_role_that_no_policy_binds_is_refused_as_well(bound: Database, database, tmp_path):
    [(name,)] = bound.run("SELECT current_user")
    with database.connect() as administrator:
        administrator.execute(f'ALTER ROLE "{name}" BYPASSRLS'.encode())
    with process(bound, tmp_path / "log", **STRICT) as daemon:
        assert daemon.wait() == 1


@pytest.mark.parametrize("vintage", ["v5"])
def test_under_the_documented_policy_all_is_as_without(
    service: Service, bound: Database, database: Database
):
    for table in ("workflows", "workflow_executions", "step_executions", "approval_requests"):
        database.run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    give_rights(database.url)
    with running(bound, **STRICT):
        decided(service)


async def test_a_policy_that_hides_everything_is_an_error_that_names_the_table(
    bound: Database, database: Database
):
    database.run(HIDE)
    with pytest.raises(ContractError, match=r"row-level security .* workflow_executions .*grants"):
        await store.Database(bound.url).session()


async def test_a_policy_that_shows_a_part_is_an_error_too(bound: Database, database: Database):
    database.run(HIDE)
    database.run("CREATE POLICY mine ON workflow_executions USING (status <> 'paused')")
    with pytest.raises(ContractError, match="row-level security"):
        await store.Database(bound.url).session()


@pytest.mark.parametrize("before", ["without policies", "under one"])
def test_rows_that_are_hidden_while_it_runs_are_not_taken_for_deleted(
    service: Service, bound: Database, database: Database, before: str
):
    if before == "under one":
        database.run(HIDE)
        give_rights(database.url)
    with running(bound, **STRICT) as daemon:
        execution = service.paused()
        if before == "under one":
            database.run("DROP POLICY resumer ON workflow_executions")
        else:
            database.run(HIDE)
        service.decide(service.asked(execution)[0], "approved")
        eventually_sync(lambda: not daemon.ready(), of="it says that something is wrong")
        assert service.decisions(execution) == [("approved", None)]
        give_rights(database.url)
        assert service.ended(execution)["result"] == "allowed"
