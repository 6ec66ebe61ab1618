"""`migrate triggers off|on`: our triggers are out of the way for as long as somebody wants."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, eventually_sync
from tests.harness.inbox import Writer, left
from tests.harness.running import Running, running
from tests.harness.service import Rows, Service, allow, ask

STATES = (
    "SELECT t.tgname::text, t.tgenabled::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid"
    " WHERE f.pronamespace = 'resumer'::regnamespace"
)
GUARD = "resumer_approval_guard"


@pytest.fixture
def daemon(database: Database) -> Iterator[Running]:
    with running(database) as made:
        yield made


def switch(database: Database, state: str, *options: str, guard: str = "off") -> str:
    result = CliRunner().invoke(
        app,
        ["migrate", "triggers", state, "--database-url", database.url, *options],
        env={"RESUMER_DECISION_GUARD": guard},
    )
    assert result.exit_code == 0, result.output
    return result.stdout


def states(database: Database) -> dict[str, str]:
    return dict(database.run(STATES))


def test_they_are_switched_off_and_on_again(database: Database, writer: Writer, rows: Rows):
    before = states(database)
    dry = switch(database, "off", "--dry-run")
    assert dry.count("ALTER TABLE") == 3
    assert states(database) == before
    assert switch(database, "off").count("are off.") == 3
    assert set(states(database).values()) == {"D"}
    assert switch(database, "off") == "nothing to do\n"
    rows.approval(rows.execution(), request_id="asked")
    writer.run("UPDATE approval_requests SET status = 'approved'")
    assert left(database) == []
    assert switch(database, "on").count("are on.") == 3
    assert states(database) == before
    writer.run("UPDATE approval_requests SET status = 'rejected'")
    assert [decision for *_, decision in left(database)] == ["rejected"]


def test_the_guard_of_decisions_is_switched_with_them_and_as_the_settings_say(database: Database):
    database.run(f"ALTER TABLE approval_requests ENABLE TRIGGER {GUARD}")
    switch(database, "off", guard="enforce")
    assert states(database)[GUARD] == "D"
    switch(database, "on", guard="enforce")
    assert states(database)[GUARD] == "O"
    switch(database, "off")
    switch(database, "on")
    assert states(database)[GUARD] == "D"


def test_the_daemon_goes_on_without_them_and_doctor_warns(database: Database, daemon: Running):
    service = Service(database)
    service.workflow(ask(), allow())
    execution = service.paused()
    [request] = service.asked(execution)
    switch(database, "off")
    service.decide(request, "approved")
    assert service.ended(execution)["result"] == "allowed"
    eventually_sync(lambda: daemon.metric("resumer_triggers_missing") == 7)
    found = CliRunner().invoke(app, ["doctor", "--database-url", database.url]).stdout
    [line] = [line for line in found.splitlines() if "disabled: resumer_approval_delete" in line]
    assert line.startswith("warning")
    assert "resumer-daemon migrate triggers on" in found
    switch(database, "on")
    eventually_sync(lambda: daemon.metric("resumer_triggers_missing") == 0)
