"""Names that strangers wrote steer no terminal, are no markup, run nothing when pasted (C36)."""

import json
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from resumer_daemon.api.problems import ProblemError
from resumer_daemon.api.routes import _for_an_approval
from resumer_daemon.cli.app import app
from tests.harness import Database
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

HOSTILE = "a\x1b]0;owned\x07\u009b2J\u202eb\r\n[red]c[/] $(touch x) '; touch y #"
PASTED = "a $(touch x) `touch y` '; touch z #\"[link=http://x]"


@pytest.fixture
def service(database: Database) -> Iterator[Service]:
    with running(database):
        yield Service(database)


def command(service: Service, *arguments: str) -> str:
    named = {"RESUMER_DATABASE_URL": service.database.url, "RESUMER_ALLOW_SUPERUSER": "true"}
    return CliRunner().invoke(app, arguments, env=named).output


def asked(service: Service, name: str, *, workflow: str = "flow") -> tuple[UUID, str]:
    """Pause an execution, and give it and its approval a name; return its id and the request."""
    service.workflow(ask(), allow(), name=workflow)
    execution = service.paused(workflow)
    service.database.run("UPDATE workflow_executions SET execution_id = %s", name)
    service.database.run("UPDATE approval_requests SET request_id = %s", name)
    return execution, name


def steering(text: str) -> set[str]:
    """Return what of a text a terminal would act on, or not show."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "{id}"],
        ["explain", "{id}", "--json"],
        ["show", "{id}"],
        ["list"],
        ["list", "--json"],
        ["stats"],
        ["doctor"],
        ["incidents"],
        ["approve", "{name}"],
        ["approve", "no {name}"],
        ["start", "no {name}"],
        ["emit", "{name}"],
        ["hold", "--workflow", "{name}", "--yes"],
        ["pause", "{id}", "--as", "{name}", "--reason", "{name}"],
    ],
    ids=" ".join,
)
def test_a_command_spells_out_what_steers_a_terminal(service: Service, arguments: list[str]):
    identity, name = asked(service, HOSTILE, workflow=HOSTILE)
    service.database.run("SELECT resumer.hold(%s, %s, %s)", HOSTILE, HOSTILE, HOSTILE)
    said = command(service, *[each.format(id=identity, name=name) for each in arguments])
    assert said
    assert steering(said) == set()


def test_the_ledger_spells_out_what_steers_a_terminal(service: Service):
    identity, _ = asked(service, HOSTILE, workflow=HOSTILE)
    command(service, "cancel", str(identity), "--as", HOSTILE, "--reason", HOSTILE)
    service.ended(identity)
    for look in ("ledger", "show", "explain"):
        said = command(service, look, *([] if look == "ledger" else [str(identity)]))
        assert "\\x1b" in said
        assert "[red]" in said
        assert steering(said) == set()


def suggested(service: Service, identity: UUID) -> list[dict[str, str]]:
    [(explained,)] = service.database.run("SELECT resumer.explain(%s)", identity)
    return list(explained["reasons"])


def arguments_of(line: str, here: Path) -> list[str]:
    """Paste a command into a POSIX shell where our program only says what it was given."""
    program = here / "bin" / "resumer-daemon"
    program.parent.mkdir(exist_ok=True)
    program.write_text('#!/bin/sh\nfor a in "$@"; do printf \'%s\\0\' "$a"; done\n')
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:/usr/bin:/bin"}
    ended = subprocess.run(
        ["sh", "-c", line], capture_output=True, check=True, text=True, cwd=here, env=path
    )
    return ended.stdout.split("\0")[:-1]


def test_a_suggested_command_hands_its_argument_on_as_it_is(service: Service, tmp_path: Path):
    identity, _ = asked(service, PASTED, workflow=PASTED)
    commands = [r["command"] for r in suggested(service, identity) if r["command"]]
    assert ["approve", PASTED] in [arguments_of(line, tmp_path) for line in commands]
    wait = {"id": "w", "type": "wait", "wait": {"event": PASTED, "match": {"a": PASTED}}}
    service.workflow(wait, name="waits")
    waiting = service.paused("waits")
    [line] = [r["command"] for r in suggested(service, waiting) if r["code"] == "waits_for_event"]
    assert arguments_of(line, tmp_path) == ["emit", PASTED, "--payload", json.dumps({"a": PASTED})]
    service.database.run("SELECT resumer.hold(%s)", PASTED)
    lines = [r["command"] for r in suggested(service, identity) if r["code"] == "on_hold"]
    assert arguments_of(lines[0], tmp_path) == ["release", "--workflow", PASTED]
    assert [each.name for each in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("name", ["a\x1bb", "a\nb", "--database-url=x", "a\u202eb", "a\u009bb"])
def test_what_no_shell_can_be_told_safely_is_suggested_as_sql_only(service: Service, name: str):
    identity, _ = asked(service, name)
    [reason] = [r for r in suggested(service, identity) if r["code"] == "approval_missing"]
    assert reason["command"] is None
    assert steering(reason["sql"] + reason["sentence"]) == set()
    assert "\n" not in reason["sql"] + reason["sentence"]
    service.database.run(reason["sql"])
    assert service.ended(identity)["result"] == "allowed"


def test_a_quoted_text_is_read_again_as_it_was(database: Database):
    for text in (HOSTILE, PASTED, "\\x1b\x1b'\\'", "plain", "", "\U000e0041\x7f\u2066"):
        [(literal,)] = database.run("SELECT resumer.quoted(%s)", text)
        assert steering(literal) == set()
        assert database.run(f"SELECT {literal}".replace("%", "%%")) == [(text,)]


def test_a_problem_over_http_spells_out_what_steers_a_terminal():
    refusal = ProblemError(409, f"flow {HOSTILE} is on hold", hint=HOSTILE)
    problem = json.loads(bytes(refusal.response().body))
    assert steering(problem["detail"] + problem["hint"]) == set()
    assert "\n" not in problem["detail"]


@pytest.mark.parametrize("request_id", [PASTED, HOSTILE, "--help"])
def test_an_option_over_http_quotes_the_request_for_a_shell(request_id: str, tmp_path: Path):
    told = next(iter(_for_an_approval([request_id], 1, {})))["says"]
    line = told.partition(", reject, or")[0]
    assert steering(told) == set()
    given = ["approve", request_id] if request_id == PASTED else ["approve"]
    assert arguments_of(line, tmp_path) == given
