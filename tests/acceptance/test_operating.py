"""An operator at a shell sees the state of executions and its reasons, and moves one or many."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database, eventually_sync
from tests.harness.running import environment, process
from tests.harness.service import Service, allow, ask
from tests.unit import documents

DONE, REFUSED, USAGE = 0, 1, 2


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Iterator[Service]:
    """With a daemon beside us: one in this process would log into what the commands print."""
    with process(database, tmp_path / "log") as daemon:
        eventually_sync(daemon.ready, 40)
        made = Service(database)
        made.workflow(ask(), allow())
        yield made


def run(service: Service, *words: str, code: int = DONE, given: str = "") -> str:
    """Run a command; return what it printed, in one line whatever the terminal is."""
    env = {"RESUMER_DATABASE_URL": service.database.url, "COLUMNS": "160"}
    ended = CliRunner().invoke(app, words, env=env, input=given)
    assert ended.exit_code == code, f"{ended.exit_code}: {ended.output} {ended.exception!r}"
    return " ".join(ended.output.split())


def read(service: Service, *words: str, code: int = DONE) -> Any:
    """Run a command with `--json` and return what it printed."""
    env = {"RESUMER_DATABASE_URL": service.database.url}
    ended = CliRunner().invoke(app, [*words, "--json"], env=env)
    assert ended.exit_code == code, ended.output
    return json.loads(ended.stdout)


def key_of(service: Service, execution: object) -> str:
    [(key,)] = service.database.run(
        "SELECT execution_id FROM workflow_executions WHERE id = %s", execution
    )
    return str(key)


def test_an_execution_is_paused_explained_and_resumed(service: Service):
    execution = service.paused()
    key, [request] = key_of(service, execution), service.asked(execution)
    assert f"resumer-daemon approve {request}" in run(service, "explain", key)
    run(service, "pause", key, "--as", "mia", "--reason", "stock count")
    eventually_sync(lambda: service.standing(execution)[1] == "manual")
    run(service, "approve", request)
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    said = run(service, "explain", str(execution))
    assert "Paused manually by mia" in said
    assert f"resumer-daemon resume {key} --pause 1" in said
    reasons = read(service, "explain", key)["reasons"]
    assert [reason["code"] for reason in reasons] == ["manually_paused", "request_parked"]
    run(service, "resume", key, "--as", "mia")
    assert service.ended(execution)["result"] == "allowed"
    story = run(service, "show", key)
    assert all(said in story for said in (key, "pause 1", "asked", "approved", "resumed"))


def test_show_tells_how_a_condition_was_answered(service: Service):
    service.workflow(
        {
            "id": "big",
            "type": "condition",
            "condition": {"field": "order.total", "operator": "gt", "value": 99},
        },
        name="checks",
    )
    execution = service.start("checks", {"order": {"total": 12000}})
    assert service.ended(execution)["status"] == "completed"
    told = run(service, "show", key_of(service, execution))
    assert "order.total gt 99: saw 12000, true" in told


def test_what_is_listed_can_be_chosen(service: Service):
    service.workflow({"id": "w", "type": "wait", "wait": {"event": "paid"}}, name="waits")
    service.paused()
    waiting = service.paused("waits")
    service.database.run(
        "UPDATE resumer.pauses SET paused_at = now() - interval '3 hours' WHERE execution_id = %s",
        waiting,
    )
    chosen = {
        ("--workflow", "waits"): ["waits"],
        ("--paused-for", "approval_required"): ["flow"],
        ("--role", "manager"): ["flow"],
        ("--older-than", "2h"): ["waits"],
        ("--sort", "paused"): ["waits", "flow"],
        ("--sort", "workflow"): ["flow", "waits"],
        ("--status", "running"): [],
    }
    for words, workflows in chosen.items():
        assert [row["workflow"] for row in read(service, "list", *words)] == workflows, words
    listed = run(service, "list", "--workflow", "waits")
    assert all(said in listed for said in (key_of(service, waiting), "waiting_for_event", "3h ago"))
    assert "not a duration" in run(service, "list", "--older-than", "2 days", code=USAGE)


def test_many_are_shown_first_and_asked_about(service: Service):
    executions = [service.paused(), service.paused()]
    keys = sorted(key_of(service, execution) for execution in executions)
    cancel = ("cancel", "--workflow", "flow", "--reason", "old")
    assert sorted(row["execution_id"] for row in read(service, *cancel, "--dry-run")) == keys
    assert "Cancel 2 executions?" in run(service, *cancel, code=REFUSED, given="n\n")
    assert {service.standing(execution)[0] for execution in executions} == {"paused"}
    assert sorted(read(service, *cancel, "--yes")["requests"]) == keys
    for execution in executions:
        assert service.ended(execution)["status"] == "cancelled"
    assert "No matching executions." in run(service, *cancel)


def test_each_that_is_chosen_is_resumed_from_the_pause_that_was_shown(service: Service):
    service.workflow(ask("g1", on_true="g2"), ask("g2"), allow(), name="gates")
    moved, seen = service.paused("gates"), service.paused("gates")
    service.decide(service.asked(moved)[0], "approved")
    eventually_sync(lambda: service.pause(moved)["number"] == 2)
    choice = ("resume", "--workflow", "gates", "--paused-for", "approval_required")
    by_force = (*choice, "--force", "--as", "mia", "--reason", "by phone")
    chosen = {
        row["execution_id"]: row["pause_number"] for row in read(service, *choice, "--dry-run")
    }
    assert chosen == {key_of(service, moved): 2, key_of(service, seen): 1}
    assert "pause" in run(service, *by_force, code=REFUSED, given="n\n")
    assert sorted(read(service, *by_force, "--yes")["requests"]) == sorted(chosen)
    assert service.ended(moved)["result"] == "allowed"
    eventually_sync(lambda: service.pause(seen)["number"] == 2)
    for words in (("resume", "a", "b"), ("retry", "--all"), ("resume", "--workflow", "gates")):
        assert "name that execution alone" in run(service, *words, "--pause", "1", code=USAGE)


def test_the_reason_of_a_pause_selects(service: Service):
    key = key_of(service, service.paused())
    choice = ("resume", "--paused-for", "approval_required", "--dry-run")
    assert [row["execution_id"] for row in read(service, *choice)] == [key]
    assert read(service, "resume", "--paused-for", "incident", "--dry-run") == []
    assert "not both" in run(service, *choice[:3], key, code=USAGE)


def test_what_is_refused_stops_none_of_the_others(service: Service):
    execution = service.paused()
    key = key_of(service, execution)
    answer = read(service, "cancel", "exec_nobody", key, code=REFUSED)
    assert list(answer["requests"]) == [key]
    assert "no execution 'exec_nobody'" in answer["refused"]["exec_nobody"]
    assert service.ended(execution)["status"] == "cancelled"
    for word in ("pause", "resume", "retry", "cancel"):
        assert "name executions, or select them with" in run(service, word, code=USAGE)
        assert "no execution" in run(service, word, "exec_nobody", code=REFUSED)
    for word in ("show", "explain"):
        assert "no execution" in run(service, word, "exec_nobody", code=REFUSED)


def test_a_workflow_is_held_and_released(service: Service):
    execution = service.paused()
    held = run(service, "hold", "--workflow", "flow", "--for", "2h", "--as", "mia")
    assert held == "flow is on hold (hold 1): 1 unfinished execution."
    run(service, "approve", service.asked(execution)[0])
    eventually_sync(lambda: service.decisions(execution) == [("approved", "held")])
    assert [hold["actor"] for hold in read(service, "stats")["holds"]] == ["mia"]
    assert "flow by mia" in run(service, "stats")
    assert "is on hold already" in run(service, "hold", "--workflow", "flow", code=REFUSED)
    assert "Released flow; 1 execution will resume." in run(
        service, "release", "--workflow", "flow"
    )
    assert service.ended(execution)["result"] == "allowed"
    assert "is not on hold" in run(service, "release", "--all", code=REFUSED)
    assert "name a workflow with --workflow NAME" in run(service, "hold", code=USAGE)
    assert run(service, "hold", "--all", code=REFUSED, given="n\n")
    assert read(service, "stats")["holds"] == []


def test_a_hold_and_its_release_are_told_to_programs(service: Service):
    service.paused()
    found = {"workflow": "flow", "executions": 1}
    assert read(service, "hold", "--workflow", "flow", "--dry-run") == found
    made = read(service, "hold", "--workflow", "flow")
    assert service.database.run("SELECT id FROM resumer.holds") == [(made.pop("hold"),)]
    assert made == found
    assert read(service, "release", "--workflow", "flow") == {"workflow": "flow", "going": 0}
    everything = read(service, "hold", "--all", "--yes")
    assert (everything["workflow"], everything["executions"]) == ("*", 1)
    assert read(service, "release", "--all") == {"workflow": "*", "going": 0}


def test_the_ledger_the_incidents_and_the_numbers(service: Service):
    execution = service.paused()
    service.decide(service.asked(execution)[0], "approved")
    service.ended(execution)
    key = key_of(service, execution)
    [decision] = read(service, "ledger", "--execution", key, "--kind", "approval")
    assert (decision["decision"], decision["outcome"]) == ("approved", "applied")
    assert decision["took"] > 0
    assert read(service, "ledger", "--outcome", "late", "--since", "1h") == []
    assert key in run(service, "ledger")  # never cut, however narrow it is
    stats = read(service, "stats")
    assert (stats["executions"], stats["lag"]["number"], stats["daemons"]) == ({}, 0, 1)
    assert {"approval", "start"} == {row["kind"] for row in stats["last_hour"]}
    assert "1 connected" in run(service, "stats")
    other = service.incident()
    [incident] = read(service, "incidents")
    assert incident["execution_key"] == key_of(service, other)
    assert incident["cause"] == "step_budget"
    assert key_of(service, other) in run(service, "incidents")


ODD_TIMES = ["infinity", "-infinity", "200000-01-01 00:00:00", "0044-03-15 12:00:00 BC"]


@pytest.mark.parametrize("odd", ODD_TIMES)
def test_a_time_that_python_cannot_hold_is_shown_as_text(service: Service, odd: str):  # C41
    """In every row that the service has of an execution, whatever looks at it."""
    execution = service.paused()
    [request] = service.asked(execution)
    key = key_of(service, execution)
    service.insert(
        "step_executions", execution_id=execution, step_id="theirs", step_type="action",
        status="completed",
    )  # fmt: skip
    columns = service.database.run(
        "SELECT table_name, string_agg(format('%%I = %%L', column_name, %s::text), ', ')"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type LIKE 'timestamp%%' AND column_name <> 'expires_at' AND table_name IN"
        " ('workflow_executions', 'step_executions', 'approval_requests', 'workflows', 'events')"
        " GROUP BY 1",
        odd,
    )
    with service.database.connect(options="-c resumer.own=on") as theirs:
        for table, values in columns:
            theirs.execute(f"UPDATE {table} SET {values}")
    assert [row["started_at"][:6] for row in read(service, "list")] == [odd[:6]]
    assert read(service, "show", key)["started_at"].startswith(odd[:6])
    assert odd[:6] in run(service, "show", key)
    for words in (["list"], ["ledger"], ["explain", key], ["stats"], ["incidents"]):
        run(service, *words)
    for words in (["ledger"], ["explain", key], ["stats"]):
        read(service, *words)
    with service.database.connect() as reader:
        for view in ("inbox", "ledger", "lag", "incidents"):
            reader.execute(f"SELECT * FROM resumer.{view}").fetchall()
        reader.execute("SELECT resumer.status(%s), resumer.explain(%s)", [execution, execution])
    run(service, "approve", request)
    eventually_sync(lambda: service.standing(execution)[0] == "completed")
    assert read(service, "show", key)["result"] == "allowed"


def test_the_live_list_shows_what_happens_until_it_is_ended(service: Service):
    command = [sys.executable, "-m", "resumer_daemon", "list", "--watch"]
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    shown = b""

    def shows(key: str) -> bool:
        nonlocal shown
        with suppress(BlockingIOError):
            shown += os.read(ours, 100_000)
        return key.encode() in shown

    env = environment(service.database.url) | {"TERM": "xterm"}
    with subprocess.Popen(command, env=env, stdout=theirs, stderr=theirs) as watching:
        try:
            for execution in (service.paused(), service.paused()):
                key = key_of(service, execution)
                eventually_sync(partial(shows, key), of=f"{key} is shown")
            watching.send_signal(signal.SIGINT)
            # read on meanwhile: a terminal that nobody reads holds up its writer
            eventually_sync(lambda: shows("") and watching.poll() is not None, of="it ends")
            assert watching.returncode == DONE
        finally:
            watching.kill()
            os.close(ours)
            os.close(theirs)


@pytest.mark.parametrize("name", documents.commands())
def test_every_command_has_an_example(name: str):
    told = documents.commands()[name].help or ""
    assert re.search(rf"Example: .*resumer-daemon {name}", told), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str):
    env = {"_RESUMER_DAEMON_COMPLETE": f"source_{shell}"}
    shown = CliRunner().invoke(app, [], env=env, prog_name="resumer-daemon")
    assert "resumer" in shown.stdout
