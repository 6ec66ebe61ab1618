"""`check-definition` on files alone: what it prints, and the exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from resumer_daemon.cli.app import app

GOOD = {
    "workflow_id": "flow",
    "version": "1",
    "name": "A flow",
    "trigger": {"type": "manual"},
    "steps": [{"id": "go", "type": "action", "action": "allow"}],
}
SURPRISING = {
    **GOOD,
    "steps": [*GOOD["steps"], {"id": "lost", "type": "action", "action": "allow"}],
}
BAD = {**GOOD, "steps": [{"id": "go", "type": "action", "action": "allow", "next": "ship"}]}


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check-definition", *map(str, arguments)])


@pytest.fixture
def written(tmp_path: Path):
    def write(content: object, name: str = "flow.json") -> Path:
        file = tmp_path / name
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        file.write_bytes(text)
        return file

    return write


def test_a_clean_definition_is_ok(written) -> None:
    result = check(written(GOOD))
    assert (result.exit_code, result.stdout.endswith("flow.json: ok\n")) == (0, True)


def test_a_warning_is_told_and_is_no_error(written) -> None:
    result = check(written(SURPRISING))
    assert result.exit_code == 0
    assert "flow.json: 1 warning\n" in result.stdout
    assert "  warning  $.steps[1]  no step leads to lost\n" in result.stdout


def test_an_error_has_its_path_and_exit_code_1(written) -> None:
    result = check(written(GOOD), written(BAD, "bad.json"))
    assert result.exit_code == 1
    assert "bad.json: 1 error\n" in result.stdout
    assert "  error    $.steps[0].next  step not found: ship\n" in result.stdout


def test_json_has_every_file_and_finding(written) -> None:
    result = check("--json", written(GOOD), written(BAD, "bad.json"))
    good, bad = json.loads(result.stdout)
    assert (result.exit_code, good["findings"], good["workflow_id"]) == (1, [], "flow")
    assert bad["findings"] == [
        {"severity": "error", "path": "$.steps[0].next", "message": "step not found: ship"}
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested more than 128 levels deep"),
        (b"[]", "expected an object, found a list"),
        (b'{"steps": 3}', "expected a list of steps, found a number"),
        (b'{"workflow_id": [3], "steps": []}', "$.workflow_id"),
        (b'{"steps": [{"id": "[red]\\u001b[31mx", "type": "no[/]"}]}', "no[/]"),
    ],
)
def test_whatever_is_in_a_file_is_a_finding(content: bytes, said: str, written) -> None:
    result = check(written(content))
    assert result.exit_code == 1
    assert said in result.stdout


def test_of_very_many_findings_the_first_hundred_are_shown(written) -> None:
    steps = [{"id": f"s{number}", "type": "nothing"} for number in range(1_000)]
    result = check(written({**GOOD, "steps": steps}))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 102
    assert "--json has all" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["/nowhere/flow.json"], ["--unknown"]])
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    assert check(*arguments).exit_code == 2


def test_a_comparison_needs_a_database(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESUMER_DATABASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert check("--against-paused", written(GOOD)).exit_code == 2
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    assert check("--against-paused", "--database-url", nobody, written(GOOD)).exit_code == 3
