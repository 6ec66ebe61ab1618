"""The command line as a whole: help, version, completion, and what each of them imports."""

import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import resumer_daemon
from resumer_daemon.cli.app import COMMANDS, app, load_command
from tests.unit.documents import commands

HEAVY = ("fastapi", "psycopg", "pydantic", "structlog", "uvicorn", "asyncio", "rich.markdown")


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command of these arguments imports."""
    program = (
        "import sys, runpy\n"
        "try: runpy.run_module('resumer_daemon', run_name='__main__', alter_sys=True)\n"
        "except SystemExit: pass\nprint('modules', *sys.modules)"
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith("RESUMER_")}
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=plain | {"DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(ran.stdout.rsplit("modules", 1)[1].split())


def test_help_imports_no_command_and_no_library_of_the_daemon():
    modules = imported("--help")
    assert not modules & set(HEAVY)
    ours = {name for name in modules if name.startswith("resumer_daemon.")}
    assert ours <= {"resumer_daemon.__main__", "resumer_daemon.cli", "resumer_daemon.cli.app"}
    assert len(modules) < 350


@pytest.mark.parametrize("command", ["list", "stats", "approve appr_x", "hold --all --dry-run"])
def test_a_command_of_the_database_imports_neither_daemon_nor_settings(command: str):
    modules = imported(*command.split())
    assert not modules & {"fastapi", "pydantic.main", "structlog", "resumer_daemon.config"}
    assert "psycopg" in modules


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_in_its_panel(option: str):
    shown = CliRunner().invoke(app, [option]).output
    for panel in ("Options", "Run", "Decide and move", "Look", "Set up"):
        assert f" {panel} " in shown
    for name, entry in COMMANDS.items():
        assert re.search(rf"\b{name} +{re.escape(entry.help)}", shown), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_as_the_list_has_it(name: str):
    told = load_command(name).help or ""
    assert told.split("\n")[0] == COMMANDS[name].help


@pytest.mark.parametrize("command", ["-h", "list -h", "migrate up -h"])
def test_every_command_takes_the_short_option_of_help(command: str):
    ended = CliRunner().invoke(app, command.split())
    assert (ended.exit_code, "Usage:" in ended.output) == (0, True)


@pytest.mark.parametrize("name", [*commands()])
def test_help_at_80_columns_breaks_no_word(name: str):
    ended = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"})
    assert ended.exit_code == 0
    words = set(re.sub("[│╭╰─╮╯]", " ", ended.output).split())
    for param in (p for p in commands()[name].params if p.param_type_name == "option"):
        for word in (*param.opts, *(getattr(param, "help", None) or "").split()):
            assert word in words or any(word in each for each in words), word


@pytest.mark.parametrize("name", [*commands()])
def test_help_leaves_the_line_breaks_to_the_terminal(name: str):
    for paragraph in (commands()[name].help or "").split("\n\n"):
        assert "\n" not in paragraph


def test_the_version_is_printed():
    ended = CliRunner().invoke(app, ["--version"])
    assert ended.output == f"resumer-daemon {resumer_daemon.__version__}\n"


def test_a_misspelt_command_is_answered_with_the_nearest():
    ended = CliRunner().invoke(app, ["lst"])
    assert ended.exit_code == 2
    assert "'list'" in ended.output


@pytest.mark.parametrize(
    ("words", "word", "expected"),
    [
        ("resumer-daemon s", 1, {"show", "simulate", "start", "stats"}),
        ("resumer-daemon migrate s", 2, {"status"}),
        ("resumer-daemon list --stat", 2, {"--status"}),
    ],
)
def test_a_shell_completes_commands_and_options(words: str, word: int, expected: set[str]):
    env = {
        "_RESUMER_DAEMON_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(word),
    }
    shown = CliRunner().invoke(app, [], env=env, prog_name="resumer-daemon").output
    assert set(shown.split()) == expected
