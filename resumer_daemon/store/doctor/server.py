"""The server: its version, its limits, and what holds everybody up."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.statements import load

OLDEST = 13
# LISTEN could fail for good with "could not access status of transaction" before these
LISTENS_SAFELY = {13: 24, 14: 21, 15: 16, 16: 12, 17: 8, 18: 2}
LONG = 300.0  # seconds that a transaction may be open before dead rows pile up
SKEW = 1.0
# the worker, its second lane, the listener, the heartbeat, two for scrapes, four for HTTP
BESIDE_POOL = 10
FEWEST = 4  # the worker, the listener, the heartbeat, and one that records effects


async def check_server(patient: Patient) -> Sequence[Finding]:
    """Look at the server."""
    cursor = patient.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor_server"))
    seen = await cursor.fetchone() or {}
    return [
        _version(seen["version"]),
        _connections(seen, patient.settings.pool_size + BESIDE_POOL),
        *_limits(seen, patient.settings.pool_size + BESIDE_POOL),
        _clock(seen["clock"] - time.time()),
        _queue(seen["queue"]),
        _transactions(seen),
        well("isolation", f"{seen['isolation']} by default; ours are read committed in any case"),
    ]


def _version(number: int) -> Finding:
    major, minor = divmod(number, 10_000)
    if major < OLDEST:
        return broken(
            "version",
            f"PostgreSQL {major}.{minor}",
            "the statements need 13 or later",
            "upgrade the server",
        )
    if minor < LISTENS_SAFELY.get(major, 0):
        return warning(
            "version",
            f"PostgreSQL {major}.{minor}",
            "LISTEN may fail with `could not access status of transaction`; then we poll",
            f"upgrade the server to {major}.{LISTENS_SAFELY[major]} or later",
        )
    return well("version", f"PostgreSQL {major}.{minor}")


def _connections(seen: Mapping[str, Any], needed: int) -> Finding:
    free = seen["connections_max"] - seen["connections"]
    if free < needed:
        return warning(
            "connections",
            f"{free} of {seen['connections_max']} are free",
            f"a daemon uses up to {needed}; without one it waits and tries again",
            "a higher max_connections (and a restart), or a pooler and RESUMER_LISTEN_URL",
        )
    return well("connections", f"{free} of {seen['connections_max']} are free, {needed} are needed")


def _limits(seen: Mapping[str, Any], needed: int) -> list[Finding]:
    """Return the limits of the role and of the database that are below what the settings need."""
    limits = (
        ("role", f"ALTER ROLE {seen['role']}"),
        ("database", f"ALTER DATABASE {seen['database']}"),
    )
    return [
        Finding(
            "connections",
            "error" if limit < FEWEST else "warning",
            f"the {of} may have {limit} connections",
            f"a daemon uses up to {needed}; without one no effect is sent and nothing is rescued",
            f"{alter} CONNECTION LIMIT {needed};",
        )
        for of, alter in limits
        if (limit := seen[f"{of}_limit"]) is not None and limit < needed
    ]


def _clock(skew: float) -> Finding:
    if abs(skew) > SKEW:
        return warning(
            "clock",
            f"the server's clock is {skew:+.1f} s from ours",
            "leases and timers go by the server's; signatures and tokens are dated by ours",
            "let both follow the same time server",
        )
    return well("clock", "the server's clock agrees with ours")


def _queue(usage: float) -> Finding:
    if usage < 0.1:
        return well("notification queue", f"{usage:.0%} full")
    return broken(
        "notification queue",
        f"{usage:.0%} full",
        "when it is full, every COMMIT that notifies fails: nobody can decide",
        "SELECT pid, query FROM pg_stat_activity WHERE state = 'idle in transaction'"
        " AND query ILIKE '%listen%', and end that session",
    )


def _transactions(seen: Mapping[str, Any]) -> Finding:
    others = "" if seen["sees_others"] else " (of others only with pg_read_all_stats)"
    oldest = max(seen["oldest_transaction"] or 0.0, seen["oldest_prepared"] or 0.0)
    if oldest < LONG:
        return well("oldest transaction", f"open for {oldest:.0f} s{others}")
    return warning(
        "oldest transaction",
        f"open for {oldest:.0f} s{others}",
        "dead rows of the inbox stay while it is open, and every look gets slower",
        "SELECT pid, usename, xact_start, query FROM pg_stat_activity ORDER BY xact_start;"
        " SELECT * FROM pg_prepared_xacts;",
    )
