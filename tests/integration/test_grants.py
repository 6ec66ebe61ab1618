"""Least privilege: each role may do what it needs, and nothing beside it."""

import asyncio

import pytest
from psycopg import sql

from resumer_daemon.store import grants, migrate
from tests.harness import Database
from tests.harness.dump import dumped

ROLES = ("resumer_owner", "resumer_reader", "resumer_operator", "resumer_daemon")
both_vintages = pytest.mark.parametrize("vintage", ["v1", "v5"])


@both_vintages
async def test_what_was_given_lacks_nothing_and_is_taken_back_without_a_trace(
    unmigrated: Database,
):
    before = dumped(unmigrated, "pg_dump")
    await migrate.up(unmigrated.url)
    printed = await grants.missing(unmigrated.url, "public")
    assert await grants.give(unmigrated.url, "public") == printed
    assert await grants.missing(unmigrated.url, "public") == []
    await migrate.down(unmigrated.url)
    assert dumped(unmigrated, "pg_dump") == before
