"""`simulate --definition`: the words of its answers, what it prints, and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from resumer_daemon.cli.app import app

EXAMPLES = Path(__file__).parents[3] / "examples"
QUOTE = {
    "quote": {"id": 7, "discount_percent": 15, "total": 62000, "seller_email": "sue@example.com"},
    "customer": {"name": "ACME [red]", "credit_hold": False},
}
ANSWERED = 'quote.answered={"quote": {"id": 7}, "accepted": true}'


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def example(name: str, payload: Any, *arguments: object) -> Result:
    file = EXAMPLES / f"{name}.json"
    return simulate("--definition", file, "--payload", json.dumps(payload), *arguments)


def flow(tmp_path: Path, *steps: dict[str, Any]) -> Path:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps({"workflow_id": "flow", "steps": steps}))
    return file


def test_a_story_is_told_to_its_end() -> None:
    result = example("quote_approval", QUOTE, "--decisions", "a,approved", "--event", ANSWERED)
    assert result.exit_code == 0, result.output
    for said in (
        "is_discounted condition true",
        "quote.discount_percent gt 10: saw 15, true",
        "15 % for ACME [red]",
        "paused at ask_manager: approval_required",
        "approved: is_large, refused: tell_seller, expired: ask_director",
        "> approved (appr_",
        "waits for sales_director (appr_",
        "webhook POST https://crm.example.com/quotes/7/send",
        'headers: {"Authorization":"Bearer {{secrets.CRM_TOKEN}}"}',
        'waits for event quote.answered where {"quote.id":7}',
        '> event {"quote":{"id":7},"accepted":true}',
        "completed as allowed: The customer accepted",
    ):
        assert said in result.stdout


def test_the_same_story_for_programs() -> None:
    result = example("quote_approval", QUOTE, "--decisions", "approved,r", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    first, second, third = told["stretches"]
    assert first["answer"] is None
    assert first["steps"][0] == {
        "step": "is_discounted",
        "path": "is_discounted",
        "type": "condition",
        "status": "completed",
        "result": True,
        "comparisons": [
            {"field": "quote.discount_percent", "operator": "gt", "value": 10, "actual": 15,
             "holds": True}
        ],
    }  # fmt: skip
    assert first["stop"]["asked"][0]["role"] == "sales_manager"
    assert second["answer"]["decision"] == "approved"
    assert third["answer"]["decision"] == "rejected"
    assert third["stop"] == {
        "status": "completed",
        "result": "blocked",
        "reason": "The discount was not granted",
    }
    assert told["unused"] == []


def test_where_the_answers_run_out_it_says_where_it_stands() -> None:
    result = example("quote_approval", QUOTE)
    assert result.exit_code == 0
    *_, stands, waits, _ = result.stdout.splitlines()
    assert stands == "paused at ask_manager: approval_required"
    assert waits.startswith("    waits for sales_manager (appr_")


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        ("t", ["timeout"]),
        ("r,a", ["approved"]),
        ("event", ["event"]),
        ("a,t,e", ["timeout", "expired"]),
    ],
)
def test_an_answer_that_nothing_waits_for_is_refused(words: str, unused: list[str]) -> None:
    result = example("quote_approval", QUOTE, "--decision", words, "--json")
    assert (result.exit_code, json.loads(result.stdout)["unused"]) == (1, unused)


def test_the_first_letter_of_expired_is_not_an_event() -> None:
    result = example("quote_approval", QUOTE, "--decisions", "e", "--json")
    stretches = json.loads(result.stdout)["stretches"]
    assert stretches[1]["answer"]["decision"] == "expired"
    assert stretches[1]["stop"]["step"] == "ask_director"


def test_a_timeout_can_come_before_the_event_of_a_later_wait() -> None:
    sent = {**QUOTE, "customer": {"email": "a@example.com"}}
    early = example("quote_expiry", sent, "--event", ANSWERED, "--json")
    late = example("quote_expiry", sent, "--event", ANSWERED, "--decisions", "t,t", "--json")
    assert [len(json.loads(each.stdout)["stretches"]) for each in (early, late)] == [2, 4]


def test_a_failing_end_is_exit_code_1(tmp_path: Path) -> None:
    step = {"id": "ask", "type": "condition", "condition": {"field": "a.b", "operator": "eq"}}
    result = simulate("--definition", flow(tmp_path, step))
    assert result.exit_code == 1
    assert "failed: field not found: a.b" in result.stdout


def test_an_endless_loop_ends_as_an_incident(tmp_path: Path) -> None:
    step = {"id": "again", "type": "action", "action": "allow", "next": "again"}
    result = simulate("--definition", flow(tmp_path, step), "--json")
    stop = json.loads(result.stdout)["stretches"][0]["stop"]
    assert (result.exit_code, stop["incident"]["cause"]) == (1, "step_budget")


def test_a_payload_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(QUOTE))
    definition = EXAMPLES / "quote_approval.json"
    result = simulate("--definition", definition, "--payload", file)
    assert "saw 15, true" in result.stdout


@pytest.mark.parametrize("payload", ["[]", "null", '"text"', "3"])
def test_a_payload_that_is_no_object_is_an_empty_one(payload: str) -> None:
    definition = EXAMPLES / "high_value_order_approval.json"
    result = simulate("--definition", definition, "--payload", payload)
    assert "field not found: order.total" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["exec_1", "--definition", EXAMPLES / "quote_approval.json"],
        ["--definition", "/nowhere/flow.json"],
        ["--definition", EXAMPLES / "quote_approval.json", "--payload", "{"],
        ["--definition", EXAMPLES / "quote_approval.json", "--decisions", "maybe"],
        ["--definition", EXAMPLES / "quote_approval.json", "--event", "quote.answered={"],
    ],
)
def test_a_wrong_call_is_exit_code_2(arguments: list[object]) -> None:
    result = simulate(*arguments)
    assert result.exit_code == 2, result.output


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"steps": 3}', b"\xff"])
def test_a_definition_that_cannot_run_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_bytes(content)
    result = simulate("--definition", file)
    assert result.exit_code == 1
    assert "definition refused" in result.stderr


def test_a_database_that_is_not_there_is_exit_code_3() -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    assert simulate("exec_1", "--database-url", url).exit_code == 3
