"""A daemon whose machine has the wrong time: every deadline is counted from the database's."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import resumer_daemon
from tests.harness import Database, eventually_sync
from tests.harness.client import SECRET, Client, Holders
from tests.harness.hostclock import shift
from tests.harness.running import Process, process
from tests.harness.service import Service, allow, ask, block

OFF = {"slow": -300.0, "fast": 300.0}
WAIT = {"id": "wait", "type": "wait", "wait": {"event": "x", "timeout": "4m"}, "next": "release"}
TIMER = {"id": "wait", "type": "wait", "wait": {"for": "4m"}, "next": "release"}
# these have no database, or tell how far both are apart, or sign what leaves us
WITHOUT = {"cli/output.py", "cli/simulation_input.py", "store/doctor/server.py"}


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture(params=OFF)
def daemon(
    request: Any, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Process]:
    """A daemon whose machine's clock is wrong."""
    shift(monkeypatch, tmp_path / "site", OFF[request.param])
    with process(database, tmp_path / "log", jwt_secret=SECRET) as made:
        eventually_sync(made.ready)
        yield made


# C52
def test_an_approval_has_its_time_by_the_clock_of_the_database(service: Service, daemon: Process):
    service.workflow(ask(timeout="4m", on_timeout="refuse"), allow(), block())
    execution = service.paused()
    [(seconds,)] = service.database.run(
        "SELECT extract(epoch FROM expires_at - clock_timestamp() AT TIME ZONE 'UTC')::float8"
        " FROM approval_requests"
    )
    assert 210 < seconds <= 240
    service.decide(service.asked(execution)[0], "approved")
    assert service.ended(execution)["result"] == "allowed"


# C52
@pytest.mark.parametrize("step", [WAIT, TIMER], ids=["event", "time"])
def test_a_wait_has_its_time_by_the_clock_of_the_database(
    service: Service, daemon: Process, step: dict[str, Any]
):
    service.workflow(step, allow())
    service.paused()
    [(seconds,)] = service.database.run(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::float8"
        " FROM resumer.requests WHERE kind = 'timeout'"
    )
    assert 210 < seconds <= 240


# C52
def test_what_is_written_of_steps_and_contexts_is_of_the_time_of_the_database(
    service: Service, daemon: Process
):
    service.workflow({"id": "say", "type": "execute", "execute": [{"type": "log", "message": "x"}]})
    service.ended(service.start())
    assert service.database.run(
        "SELECT abs(extract(epoch FROM s.started_at - e.completed_at)) < 60,"
        " abs(extract(epoch FROM (e.context #>> '{_meta,enriched_at}')::timestamptz"
        " - clock_timestamp())) < 60"
        " FROM step_executions s JOIN workflow_executions e ON e.id = s.execution_id"
    ) == [(True, True)]


# C52
def test_a_jwt_is_in_force_as_long_as_the_database_says(service: Service, daemon: Process):
    holders = Holders(service.database)
    now = int(time.time())
    found = {
        seconds: Client(daemon.address, holders.jwt(exp=now + seconds)).get("/executions/paused")
        for seconds in (200, -200)
    }
    assert {seconds: answer.status for seconds, answer in found.items()} == {200: 200, -200: 401}


def test_nothing_else_asks_the_clock_of_this_machine_for_the_time():
    root = Path(resumer_daemon.__file__).parent
    asks = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("datetime.now", "datetime.utcnow", "time.time")
    }
    assert asks == WITHOUT
