"""Settings, documents and errors of commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Exit
from typer.testing import CliRunner

from resumer_daemon.cli import common
from resumer_daemon.cli.app import app
from resumer_daemon.cli.bulk import _is_id
from resumer_daemon.cli.common import document, in_lines

NOWHERE = {"RESUMER_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere", "COLUMNS": "200"}


@pytest.fixture(autouse=True)
def _warn_again():
    common._warn_of_unknown_variables.cache_clear()


@pytest.mark.parametrize("command", ["list", "approve appr_x", "migrate status", "simulate exec_x"])
def test_a_misspelt_setting_is_reported_once_and_never_on_stdout(command: str):
    ended = CliRunner().invoke(app, command.split(), env=NOWHERE | {"RESUMER_LEESE": "9s"})
    assert ended.exit_code == 3
    assert ended.stdout == ""
    assert ended.stderr.count("RESUMER_LEESE is not a setting: did you mean RESUMER_LEASE?") == 1


def test_an_empty_address_is_missing():
    ended = CliRunner().invoke(app, ["list"], env=NOWHERE | {"RESUMER_DATABASE_URL": ""})
    assert ended.exit_code == 2
    assert "RESUMER_DATABASE_URL: required: postgresql://" in ended.output


def test_an_error_in_the_value_of_a_setting_names_its_key():
    routes = NOWHERE | {"RESUMER_NOTIFICATION_ROUTES": '{"*@*": 3}'}
    ended = CliRunner().invoke(app, ["list"], env=routes)
    assert "RESUMER_NOTIFICATION_ROUTES: *@*: Input should be a valid string" in ended.output


def test_an_error_of_libpq_has_no_tab():
    ended = CliRunner().invoke(app, ["list"], env=NOWHERE)
    assert "\\t" not in ended.output
    assert "\n  Is the server running" in ended.output


def test_lines_of_a_message_stay_lines_and_controls_are_escaped():
    assert in_lines("one\n\ttwo\x1b[2J") == "one\n  two\\x1b[2J"


def test_a_document_is_json_or_a_file(tmp_path: Path):
    file = tmp_path / "payload.json"
    file.write_text('{"order": 1}')
    for text in ('{"order": 1}', str(file), f"@{file}"):
        assert document("--payload", text) == {"order": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "--payload is not JSON"),
        ("", "--payload is not JSON"),
        ("x" * 5000, "--payload is neither JSON nor a file that exists"),
        ("no/such/file.json", "--payload is neither JSON nor a file that exists"),
        ("@no/such/file", "cannot read no/such/file"),
        (f"@{__file__}", "test_common.py is not JSON"),
    ],
)
def test_a_document_that_cannot_be_read_is_named(capsys, text: str, words: str):
    with pytest.raises(Exit):
        document("--payload", text)
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_an_approver_that_is_not_a_uuid_is_told_why_one_is_needed(command: str):
    ended = CliRunner().invoke(app, [command, "appr_x", "--as", "mia"], env=NOWHERE)
    assert ended.exit_code == 2
    printed = " ".join(ended.output.replace("│", " ").split())
    assert "Invalid value for '--as': 'mia' is not a UUID" in printed
    assert "approver_id holds the approver's user id" in printed


def test_an_id_is_told_from_a_key():
    assert _is_id("01234567-89ab-cdef-0123-456789abcdef")
    assert not _is_id("exec_0123456789abcdef")


def test_a_closed_pipe_does_not_end_the_work_of_a_command(tmp_path: Path):
    done = tmp_path / "done"
    program = (
        "import sys\n"
        "from resumer_daemon.cli.common import console, errors\n"
        "for n in range(50_000): console.print('applied', n)\n"
        f"open({str(done)!r}, 'w').write('all')\n"
        "console.print('end'); errors.print('still here')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "80"},
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read().decode()
    assert (process.returncode, told) == (0, "still here\n")
    assert done.read_text() == "all"


def test_a_headline_in_a_pipe_is_no_wider_than_a_terminal():
    program = "from resumer_daemon.cli.common import console; console.headline('your turn')"
    plain = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=plain, capture_output=True, text=True, check=True
    ).stdout
    assert printed.startswith("your turn ")
    assert len(printed.rstrip("\n")) == 80


def test_retry_takes_the_filters_of_resume(monkeypatch: pytest.MonkeyPatch):
    asked = {}
    for command in ("resume", "retry", "cancel"):
        monkeypatch.setattr(
            "resumer_daemon.cli.operate.move",
            lambda name, selection, *_, **__: asked.update({name: selection}),
        )
        ended = CliRunner().invoke(app, [command, "--older-than", "2h", "--paused-for", "incident"])
        assert ended.exit_code == 0, ended.output
    assert {s.seconds for s in asked.values()} == {7200.0}
    assert json.dumps([s.reason for s in asked.values()]) == '["incident", "incident", "incident"]'
