"""Tokens as people make them: shown once, listed without their secret, revoked by name."""

import json
from hashlib import sha256
from uuid import uuid4

import pytest

from tests.acceptance.test_commands import DONE, REFUSED, USAGE, run
from tests.harness import Database
from tests.harness.service import Service

one_organisation_at_least = pytest.mark.parametrize("vintage", ["v5"])


def create(database: Database, *arguments: str, code: int = DONE) -> str:
    return run(database.url, "token", "create", *arguments, code=code)


def test_a_token_is_printed_alone_and_kept_as_its_hash(database: Database):
    made = json.loads(create(database, "ops", "--may", "read", "--may", "resume", "--json"))
    assert made["permissions"] == ["execution:read", "execution:resume"]
    assert len(made["token"].removeprefix("resumer_")) == 43  # 256 bits
    [(kept,)] = database.run("SELECT sha256 FROM resumer.tokens")
    assert kept == sha256(made["token"].encode()).hexdigest()
    assert made["token"] not in str(database.run("SELECT t::text FROM resumer.tokens t"))
    listed = run(database.url, "token", "list", "--json")
    assert made["token"] not in listed
    assert kept not in listed


def test_two_tokens_are_never_the_same(database: Database):
    made = [json.loads(create(database, name, "--may", "read", "--json")) for name in ("a", "b")]
    assert made[0]["token"] != made[1]["token"]


def test_a_token_is_listed_with_what_it_allows_and_revoked_by_its_name(database: Database):
    create(database, "ops", "--may", "pause", "--expires-in", "never")
    create(database, "[/red]", "--may", "read", "--may", "cancel")
    printed = run(database.url, "token", "list")
    assert "ops active pause every never never" in printed
    assert "[/red] active read cancel" in printed
    assert run(database.url, "token", "revoke", "ops") == "ops: revoked"
    states = [row["state"] for row in json.loads(run(database.url, "token", "list", "--json"))]
    assert states == ["revoked", "active"]
    refused = run(database.url, "token", "revoke", "ops", code=REFUSED)
    assert "no valid token is named 'ops'" in refused
    create(database, "ops", "--may", "read")


@pytest.mark.parametrize("at", ["infinity", "20000-01-01", "0044-03-15 BC"])
def test_a_token_with_a_time_that_python_cannot_hold_is_listed(database: Database, at: str):  # C41
    create(database, "ops", "--may", "pause")
    database.run("UPDATE resumer.tokens SET expires_at = %s, last_used_at = %s", at, at)
    assert at.removesuffix(" BC") in run(database.url, "token", "list")


def test_of_two_tokens_in_force_only_one_has_a_name(database: Database):
    create(database, "ops", "--may", "read")
    assert "a valid token is named 'ops'" in create(database, "ops", "--may", "read", code=REFUSED)


def test_what_is_not_understood_makes_no_token(database: Database):
    create(database, "ops", code=USAGE)
    create(database, "ops", "--may", "everything", code=USAGE)
    create(database, "ops", "--may", "read", "--expires-in", "soon", code=USAGE)
    create(database, "ops", "--may", "read", "--organization", "acme", code=USAGE)
    create(database, "ops", "--may", "read", "--organization", str(uuid4()), code=REFUSED)
    assert database.run("SELECT count(*) FROM resumer.tokens") == [(0,)]


@one_organisation_at_least
def test_where_there_are_organisations_a_token_says_for_which(database: Database):
    assert "--every-organization" in create(database, "ops", "--may", "read", code=REFUSED)
    of = str(Service(database).organization())
    create(database, "ops", "--may", "read", "--organization", of)
    create(database, "all", "--may", "read", "--every-organization")
    rows = json.loads(run(database.url, "token", "list", "--json"))
    assert [row["organization"] for row in rows] == [of, None]
