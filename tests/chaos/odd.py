"""Disturb the database under load: triggers off, locks, settings, its clock.

A server's clock cannot be set here. What a failover to a host that is behind leaves is written
instead: requests, leases and heartbeats that say a time which has not come.
"""

import random
import time
from contextlib import suppress
from typing import Final, LiteralString

import psycopg

from tests.chaos.intents import open_intents
from tests.chaos.people import Gated
from tests.harness.database import Database

TRIGGERS_OFF: Final[tuple[LiteralString, ...]] = (
    "ALTER TABLE approval_requests DISABLE TRIGGER USER",
    "ALTER TABLE events DISABLE TRIGGER USER",
    "ALTER TABLE workflow_executions DISABLE TRIGGER USER",
)
TRIGGERS_ON: Final[tuple[LiteralString, ...]] = (
    "ALTER TABLE approval_requests ENABLE TRIGGER USER",
    "ALTER TABLE approval_requests DISABLE TRIGGER resumer_approval_guard",
    "ALTER TABLE events ENABLE TRIGGER USER",
    "ALTER TABLE workflow_executions ENABLE TRIGGER USER",
)
LOCKS: Final[tuple[LiteralString, ...]] = (
    "LOCK TABLE resumer.resume_requests IN SHARE MODE",
    "LOCK TABLE resumer.settled_requests IN SHARE MODE",
    "LOCK TABLE resumer.event_queue IN SHARE MODE",
    "LOCK TABLE resumer.leases IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE resumer.pauses IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE resumer.control IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE resumer.event_waits IN ACCESS EXCLUSIVE MODE",
)
HOSTILE: Final[tuple[tuple[str, str], ...]] = (
    ("DateStyle", "German"),
    ("DateStyle", "SQL, DMY"),
    ("IntervalStyle", "postgres_verbose"),
    ("TimeZone", "Asia/Kathmandu"),
    ("default_transaction_isolation", "serializable"),
    ("array_nulls", "off"),
    ("standard_conforming_strings", "off"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-10"),
    ("statement_timeout", "700ms"),
    ("plan_cache_mode", "force_custom_plan"),
)
FAILOVER: Final[tuple[LiteralString, ...]] = (
    "UPDATE resumer.resume_requests SET due_at = due_at + interval '1 hour',"
    " requested_at = requested_at + interval '1 hour' WHERE outcome IS NULL AND kind <> 'timeout'"
    " AND decision IS DISTINCT FROM 'second_look'",
    "UPDATE resumer.leases SET lease_until = lease_until + interval '1 hour',"
    " recorded_at = recorded_at + interval '1 hour' WHERE lease_until IS NOT NULL",
    "UPDATE resumer.instances SET heartbeat_at = heartbeat_at + interval '1 hour'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'resumer-%'",
)
LONG = 0.5  # seconds that a lock is held, or triggers are off, at most


def odd_things(database: Database, gated: Gated, count: int) -> None:
    """Do so many of them, one after the other, and leave the database as it was."""
    chance = random.Random(f"{gated.seed} odd")  # noqa: S311
    things = (_triggers_off, _lock, _lock, _hostile, _hostile, _failover)
    for number in range(count):
        time.sleep(chance.random() * 0.8)
        with suppress(psycopg.OperationalError):
            things[number % len(things)](database, gated, chance)
    _as_it_was(database)


def _triggers_off(database: Database, gated: Gated, chance: random.Random) -> None:
    """Switch all triggers off for a moment; nobody writes old copies, which no guard sees."""
    with gated.unguarded:
        try:
            _run(database, *TRIGGERS_OFF)
            time.sleep(chance.random() * LONG)
        finally:
            _as_it_was(database)


def _lock(database: Database, _gated: Gated, chance: random.Random) -> None:
    """Lock a table of ours, as a migration or VACUUM FULL does."""
    with psycopg.connect(database.url) as connection:
        connection.execute("SET lock_timeout = '2s'")
        connection.execute(chance.choice(LOCKS))
        time.sleep(chance.random() * LONG)


def _hostile(database: Database, _gated: Gated, chance: random.Random) -> None:
    """Set what changes the text or the meaning of everything, for sessions that begin from now."""
    name, value = chance.choice(HOSTILE)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                psycopg.sql.Identifier(database.name),
                psycopg.sql.SQL(name),
                value,
            )
        )


def _failover(database: Database, gated: Gated, _chance: random.Random) -> None:
    """Leave what a host whose clock was an hour ahead would leave; who was connected is no more."""
    gated.interrupted += open_intents(database.url, None)
    _run(database, *FAILOVER)


def _run(database: Database, *statements: LiteralString) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '5s'")
        for statement in statements:
            connection.execute(statement)


def _as_it_was(database: Database) -> None:
    """Put everything back; whatever is in the way for a moment."""
    deadline = time.monotonic() + 60
    while True:
        try:
            name = psycopg.sql.Identifier(database.name)
            with psycopg.connect(database.url, autocommit=True) as connection:
                connection.execute(psycopg.sql.SQL("ALTER DATABASE {} RESET ALL").format(name))
            _run(database, *TRIGGERS_ON)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
