"""Mistakes at a shell: each is answered with one clear line, and with what to do next."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from resumer_daemon.cli.app import app
from tests.harness import Database
from tests.harness.database import member_of

REFUSED, USAGE = 1, 2
NOTHING = "postgresql://127.0.0.1:1/nowhere"


def said(url: str, *arguments: str, code: int) -> str:
    ended = CliRunner().invoke(app, arguments, env={"RESUMER_DATABASE_URL": url, "COLUMNS": "200"})
    assert ended.exit_code == code, f"{ended.exit_code}: {ended.output} {ended.exception!r}"
    return " ".join(ended.output.split())


@pytest.mark.parametrize("url", ["not an address", "mysql://me:s3cret@host/db"])
def test_what_is_no_address_is_a_wrong_setting_that_is_not_quoted(url: str):
    printed = said(url, "list", code=USAGE)
    assert "RESUMER_DATABASE_URL: not an address: expected postgresql://" in printed
    assert "s3cret" not in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESUMER_CONTEXT_ENDPOINTS", '{"customer": "https://me:s3cret@crm.example/{id}"}'),
        ("RESUMER_RECORD_TARGETS", '{"ticket": {"url": "https://me:s3cret@desk.example/{id}"}}'),
    ],
)
def test_a_password_in_the_url_of_a_setting_is_refused_and_not_quoted(name: str, value: str):  # C15
    given = {"RESUMER_DATABASE_URL": NOTHING, name: value}
    ended = CliRunner().invoke(app, ["list"], env={**given, "COLUMNS": "200"})
    assert ended.exit_code == USAGE
    printed = " ".join(ended.output.split())
    assert re.search(rf"{name}: \w+\.url: a URL must not hold a user name or password", printed)
    assert "s3cret" not in ended.output


def test_without_an_address_the_form_of_one_is_shown():
    ended = CliRunner().invoke(
        app, ["list"], env={"RESUMER_DATABASE_URL": None, "DATABASE_URL": None}
    )
    assert ended.exit_code == USAGE
    assert "--database-url" in ended.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve", "appr_x", "--as", "mia"),
        ("reject", "appr_x", "--as", "mia"),
        ("start", "flow", "--organization", "mia"),
        ("emit", "order.paid", "--organization", "mia"),
    ],
    ids=" ".join,
)
def test_what_is_no_uuid_is_named_with_its_option(arguments: tuple[str, ...]):
    assert f"Invalid value for '{arguments[2]}'" in said(NOTHING, *arguments, code=USAGE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", "flow", "--payload", "{"), "--payload is not JSON"),
        (("emit", "order.paid", "--payload", ""), "--payload is not JSON"),
        (("resume", "exec_x", "--data", "{"), "--data is not JSON"),
        (("resume", "exec_x", "--data", "[]"), "--data is not a JSON object such as"),
        (("adopt", "--since", "yesterday"), "or 2026-01-31T09:30"),
        (("token", "create", "mia", "--may", "read", "--expires-in", "soon"), "such as 720h"),
        (("token", "create", " ", "--may", "read"), "a token needs a name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_read_is_told_with_its_form(arguments: tuple[str, ...], words: str):
    assert words in said(NOTHING, *arguments, code=USAGE)


def test_a_right_that_lacks_is_told_with_who_can_grant_it(database: Database):
    with member_of(database) as lowly:
        printed = said(lowly.url, "list", code=REFUSED)
    assert "permission denied for" in printed
    assert "resumer-daemon migrate grants" in printed
    assert "LINE" not in printed


def test_a_message_that_is_not_dead_is_named(database: Database):
    printed = said(database.url, "outbox", "retry", "k1", code=REFUSED)
    assert "0 messages will be sent again" in printed
    assert "not dead: k1 resumer-daemon outbox list --state dead" in printed


def test_a_token_that_is_not_there_leads_to_those_that_are(database: Database):
    printed = said(database.url, "token", "revoke", "mia", code=REFUSED)
    assert "resumer-daemon token list" in printed


def test_without_a_daemon_health_says_how_to_have_one():
    printed = said(NOTHING, "health", "--url", "http://127.0.0.1:1", code=REFUSED)
    assert "no daemon at http://127.0.0.1:1: [Errno" in printed
    assert "resumer-daemon run" in printed
    assert "RESUMER_HEALTH_URL" in printed


def test_what_cannot_hold_a_database_is_named(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    printed = said(NOTHING, "dev", "--once", "--data", str(file), code=REFUSED)
    assert "cannot keep a database in" in printed


def test_a_definition_that_is_no_utf_8_is_told_the_same_by_both(tmp_path: Path):
    file = tmp_path / "flow.json"
    file.write_bytes(b"\xff\xfe")
    for words in (("check-definition", str(file)), ("simulate", "--definition", str(file))):
        assert "not UTF-8 at byte 0" in said(NOTHING, *words, code=REFUSED)


def test_where_nothing_stands_so_a_program_is_told_in_json(database: Database):
    printed = said(database.url, "cancel", "--all", "--json", code=0)
    assert json.loads(printed) == {"requests": {}, "refused": {}}
