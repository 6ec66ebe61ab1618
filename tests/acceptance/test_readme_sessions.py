"""Sessions of the documents in SQL and at a shell print what the documents show.

Ids and times differ.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from resumer_daemon.workflow.values import load
from tests.harness import Database, eventually_sync
from tests.harness.running import process
from tests.harness.service import Service
from tests.unit.documents import ROOT, blocks

SQL = [ROOT / "README.md", ROOT / "docs" / "sql-api.md"]
SHELL = [ROOT / "README.md", ROOT / "docs" / "cli.md"]

PAYLOAD = {"order": {"id": "A-7", "total": 12500}, "customer": {"tier": "silver"}}
IDS = r"\b(?:exec_\w+|appr_\w+|[0-9a-f]{8}-[0-9a-f-]{27})"
CHANGING = rf"{IDS}|\b\d+ (?:s|min|h)\b|request \d+"


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Iterator[Service]:
    example = load((ROOT / "examples" / "high_value_order_approval.json").read_text("utf-8"))
    with process(database, tmp_path / "log") as daemon:
        eventually_sync(daemon.ready, 40)
        made = Service(database)
        made.insert(
            "workflows", workflow_id=example["workflow_id"], version=example["version"],
            name=example["name"], definition=Jsonb(example),
        )  # fmt: skip
        yield made


def masked(text: str) -> str:
    return re.sub(CHANGING, "*", " ".join(text.split()))


def real(text: str, service: Service) -> str:
    """Return what is to be typed with the ids that are there, in the order of their kinds."""
    [(key, request)] = service.database.run(
        "SELECT e.execution_id, a.request_id FROM workflow_executions e"
        " LEFT JOIN approval_requests a ON a.execution_id = e.id"
    ) or [("", "")]
    return re.sub(r"appr_\w+", str(request), re.sub(r"exec_\w{16}", str(key), text))


def _statements(document: Path) -> Iterator[tuple[str, str]]:
    """Yield each statement of a session with the row below it, empty if there is none."""
    session = next(
        b.text for b in blocks(document) if b.form == "sql" and "resumer.start" in b.text
    )
    for statement, shown in re.findall(
        r"((?:^(?!--).*\n)+?(?<=;\n))((?:^--.*\n)?)", session, re.MULTILINE
    ):
        yield statement, shown.removeprefix("--").strip()


@pytest.mark.parametrize(("document", "statements"), [*zip(SQL, (4, 8), strict=True)])
def test_session_in_sql_prints_what_is_shown(service: Service, document: Path, statements: int):
    asked = list(_statements(document))
    assert len(asked) == statements
    for statement, shown in asked:

        def answer(statement: str = statement) -> str:
            rows = service.database.run(real(statement, service))
            return masked(" | ".join(str(value) for value in rows[0]) if rows else "")

        if shown:
            expected = masked(shown)
            eventually_sync(
                lambda answer=answer, expected=expected: answer() == expected,  # type: ignore[misc]
                of=f"{statement} is {expected}",
            )
        else:
            service.database.run(real(statement, service))


def typed(words: list[str], url: str) -> str:
    ended = CliRunner().invoke(app, words, env={"RESUMER_DATABASE_URL": url, "COLUMNS": "300"})
    assert ended.exit_code == 0, ended.output
    return masked(ended.output)


@pytest.mark.parametrize(("document", "commands"), [*zip(SHELL, (1, 4), strict=True)])
def test_session_at_a_shell_prints_what_is_shown(service: Service, document: Path, commands: int):
    shown = (b.text for b in blocks(document) if b.form == "text")
    session = next(text for text in shown if text.startswith("$ resumer"))
    execution: UUID = service.paused("high_value_order_approval", PAYLOAD)
    parts: list[Any] = re.findall(
        r"^\$ resumer-daemon (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE
    )
    assert len(parts) == commands
    for command, shown in parts:
        words = shlex.split(real(command, service))
        if words[0] == "explain":  # it shows what a daemon has done meanwhile
            eventually_sync(
                lambda w=words, s=shown: typed(w, service.database.url) == masked(s),  # type: ignore[misc]
                of=f"{command} is {masked(shown)}: {typed(words, service.database.url)}",
            )
        else:
            assert typed(words, service.database.url) == masked(shown)
    assert service.ended(execution)["result"] == "allowed"
