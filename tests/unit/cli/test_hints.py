"""Refusals of the SQL functions, as the command line prints them."""

import re
from pathlib import Path

import pytest

from resumer_daemon.cli.hints import in_commands

ROOT = Path(__file__).parents[3]
KEY, ID = "exec_0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"

WITHOUT_COMMAND = {"SELECT workflow_id, version, enabled FROM workflows"}


def hints() -> list[str]:
    """Return the hints of the functions that the command line calls."""
    found: set[str] = set()
    for name in ("decide", "emit", "executions", "holds", "move", "start", "status"):
        text = (ROOT / "migrations" / "functions" / f"{name}.up.sql").read_text("utf-8")
        text = re.sub(r"'\s*\|\|\s*'", "", text)
        for form in re.findall(r"HINT = (?:format\()?'((?:[^']|'')*)'", text):
            found.add(form.replace("''", "'").replace("%L", f"'{ID}'").replace("%s", "'orders'"))
    return sorted(found)


@pytest.mark.parametrize("hint", hints())
def test_no_hint_of_a_command_is_sql(hint: str):
    if hint in WITHOUT_COMMAND:
        return
    printed = in_commands(f"refused\n  {hint}", KEY)
    assert not re.search(r"SELECT|resumer\.|=>|\{key\}", printed)


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        (f"execution {ID} is completed: manual is not possible\n  possible while it is paused",
         f"{KEY} is completed, and cannot be resumed\n  possible while it is paused"),
        (f"execution {ID} is paused manually already\n  SELECT resumer.resume(...) ends it",
         f"{KEY} is paused manually already\n  `resumer-daemon resume {KEY}` ends it"),
        (f"execution {ID} has no incident", f"{KEY} has no incident"),
        ("an approval is missing\n  force => true, actor => '...', pause_number => N",
         "an approval is missing\n  --force, --as ..., --pause N"),
        ("orders is on hold by mia\n  SELECT resumer.release('orders')",
         "orders is on hold by mia\n  resumer-daemon release --workflow orders"),
        ("everything is on hold by mia\n  SELECT resumer.release('*')",
         "everything is on hold by mia\n  resumer-daemon release --all"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_execution_once_and_the_commands(message: str, printed: str):
    assert in_commands(message, KEY) == printed


def test_a_refusal_without_an_execution_keeps_its_words():
    assert in_commands("no workflow 'nope'") == "no workflow 'nope'"
