"""Checks of the server: version, limits, pooler, TLS, notifications, forced settings."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from resumer_daemon.config import unknown_variables
from resumer_daemon.database_address import is_local
from resumer_daemon.errors import Unreachable
from resumer_daemon.store.connection import connect, listen, ping, sender, settings
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, error, ok, warning
from resumer_daemon.store.session import session_settings
from resumer_daemon.store.statements import load

OLDEST = 13
# LISTEN could fail for good with "could not access status of transaction" before these
LISTENS_SAFELY = {13: 24, 14: 21, 15: 16, 16: 12, 17: 8, 18: 2}
LONG = 300.0  # seconds that a transaction may be open before dead rows pile up
SKEW = 1.0
# the worker, the overflow worker, the listener, the heartbeat, two for scrapes, four for HTTP
BESIDE_POOL = 10
FEWEST = 4  # the worker, the listener, the heartbeat, and one that records effects


async def check_server(context: CheckContext) -> Sequence[CheckResult]:
    """Check the version, limits and clock of the server, and its oldest transaction."""
    cursor = context.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor.server"))
    seen = await cursor.fetchone() or {}
    return [
        _version(seen["version"]),
        _connections(seen, context.settings.pool_size + BESIDE_POOL),
        *_limits(seen, context.settings.pool_size + BESIDE_POOL),
        _clock(seen["clock"] - time.time()),
        _queue(seen["queue"]),
        _transactions(seen),
        ok("isolation", f"{seen['isolation']} by default; the daemon always uses read committed"),
    ]


def _version(number: int) -> CheckResult:
    major, minor = divmod(number, 10_000)
    if major < OLDEST:
        return error(
            "version",
            f"PostgreSQL {major}.{minor}",
            "the statements need 13 or later",
            "upgrade the server",
        )
    if minor < LISTENS_SAFELY.get(major, 0):
        return warning(
            "version",
            f"PostgreSQL {major}.{minor}",
            "LISTEN may fail with `could not access status of transaction`; then the daemon polls",
            f"upgrade the server to {major}.{LISTENS_SAFELY[major]} or later",
        )
    return ok("version", f"PostgreSQL {major}.{minor}")


def _connections(seen: Mapping[str, Any], needed: int) -> CheckResult:
    free = seen["connections_max"] - seen["connections"]
    if free < needed:
        return warning(
            "connections",
            f"{free} of {seen['connections_max']} are free",
            f"a daemon uses up to {needed}; if none is free it waits and retries",
            "increase max_connections (needs a restart), or use a pooler and RESUMER_LISTEN_URL",
        )
    return ok("connections", f"{free} of {seen['connections_max']} are free, {needed} are needed")


def _limits(seen: Mapping[str, Any], needed: int) -> list[CheckResult]:
    """Return the limits of the role and of the database that are below what the settings need."""
    limits = (
        ("role", f"ALTER ROLE {seen['role']}"),
        ("database", f"ALTER DATABASE {seen['database']}"),
    )
    return [
        CheckResult(
            "connections",
            "error" if limit < FEWEST else "warning",
            f"the {of} may have {limit} connections",
            f"a daemon uses up to {needed}; without one it sends no effect and takes over no lease",
            f"{alter} CONNECTION LIMIT {needed};",
        )
        for of, alter in limits
        if (limit := seen[f"{of}_limit"]) is not None and limit < needed
    ]


def _clock(skew: float) -> CheckResult:
    if abs(skew) > SKEW:
        return warning(
            "clock",
            f"the server's clock is {skew:+.1f} s ahead of this machine's",
            "leases and timers use the server's clock; signatures use this machine's",
            "synchronize both with the same time server",
        )
    return ok("clock", "the server's clock agrees with this machine's")


def _queue(usage: float) -> CheckResult:
    if usage < 0.1:
        return ok("notification queue", f"{usage:.0%} full")
    return error(
        "notification queue",
        f"{usage:.0%} full",
        "when it is full, every COMMIT that notifies fails, so nobody can decide",
        "SELECT pid, query FROM pg_stat_activity WHERE state = 'idle in transaction'"
        " AND query ILIKE '%listen%', and end that session",
    )


def _transactions(seen: Mapping[str, Any]) -> CheckResult:
    others = "" if seen["sees_others"] else " (of others only with pg_read_all_stats)"
    oldest = max(seen["oldest_transaction"] or 0.0, seen["oldest_prepared"] or 0.0)
    if oldest < LONG:
        return ok("oldest transaction", f"open for {oldest:.0f} s{others}")
    return warning(
        "oldest transaction",
        f"open for {oldest:.0f} s{others}",
        "dead rows of the queue stay while it is open, and every scan gets slower",
        "SELECT pid, usename, xact_start, query FROM pg_stat_activity ORDER BY xact_start;"
        " SELECT * FROM pg_prepared_xacts;",
    )


async def check_connection(context: CheckContext) -> Sequence[CheckResult]:
    """Check for a pooler and for TLS."""
    return [_pooler(context), _tls(context)]


def _pooler(context: CheckContext) -> CheckResult:
    if context.connection.prepare_threshold is not None:
        return ok("pooler", "connected directly")
    if context.settings.listen_url is not None:
        return ok("pooler", "through a pooler; RESUMER_LISTEN_URL connects directly")
    return warning(
        "pooler",
        "the connection goes through a transaction pooler",
        "LISTEN does not work through it, so the daemon finds decisions by polling",
        "RESUMER_LISTEN_URL=<a direct address of the server>",
    )


def _tls(context: CheckContext) -> CheckResult:
    if context.connection.pgconn.ssl_in_use:
        return ok("tls", "encrypted")
    host = context.connection.info.host
    if is_local(host):
        return ok("tls", "not needed: the server is on this machine")
    return warning(
        "tls",
        f"the connection to {host} is not encrypted",
        "anyone on the path can read the password and forge decisions",
        "remove sslmode from the URL and RESUMER_DATABASE_SSLMODE: verify-full is the default",
    )


DEADLINE = 2.0


async def check_listening(context: CheckContext) -> Sequence[CheckResult]:
    """Check that notifications arrive, by listening and sending one."""
    name = "RESUMER_LISTEN_URL" if context.settings.listen_url else "RESUMER_DATABASE_URL"
    try:
        if await _receives(context.settings.listening_url):
            return [ok("listen path", f"notifications arrive through {name}")]
        detail = "no test notification arrived; the connection may go through a transaction pooler"
    except (Unreachable, psycopg.Error) as failure:
        detail = str(failure).strip()
    return [
        warning(
            "listen path",
            f"{name}: {detail}",
            "the daemon finds decisions by polling every RESUMER_POLL_ONLY_INTERVAL",
            "RESUMER_LISTEN_URL=<a direct address of the server>",
        )
    ]


async def _receives(url: str) -> bool:
    """Return whether a notification arrives; one from another session counts too."""
    async with await connect(url, autocommit=True, name="resumer-doctor") as connection:
        await listen(connection)
        async with sender(connection, url) as by:
            await ping(by)
        notes = [note async for note in connection.notifies(timeout=DEADLINE, stop_after=1)]
    return bool(notes)


OURS: Final = frozenset(
    name.lower()
    for statement in (settings(local=True)[0], session_settings())
    for name in re.findall(r"set_config\('(\w+)'", statement.decode())
) | {"client_encoding"}
"""The settings that each session of the daemon sets."""

BEYOND: Final[Mapping[str, str]] = {
    "session_replication_role": "the triggers do not capture the daemon's writes, so expiries wait",
    "temp_file_limit": "a large batch fails if its rows do not fit, and is retried in parts",
    "role": "the daemon has the rights of that role instead of its own",
    "ignore_checksum_failure": "damaged pages are read as if they were intact",
    "zero_damaged_pages": "damaged pages are read as if they were empty",
    "lo_compat_privileges": "it widens privileges",
}
"""Imposed settings that a session cannot or should not override, and their effect."""


async def check_environment(_: CheckContext) -> Sequence[CheckResult]:
    """Check for RESUMER_ variables that are not settings."""
    unknown = unknown_variables()
    if not unknown:
        return [ok("environment", "every RESUMER_ variable is a setting")]
    return [
        warning(
            "environment",
            f"{name} is not a setting",
            "it has no effect",
            f"rename it to {nearest}" if nearest else "remove it",
        )
        for name, nearest in unknown.items()
    ]


async def check_imposed_settings(context: CheckContext) -> Sequence[CheckResult]:
    """Check settings that the role or the database imposes on the daemon."""
    cursor = await context.connection.execute(load("doctor.imposed_settings"))
    rows = await cursor.fetchall()
    found = [_reaching(*row) for row in rows if row[1].lower() in BEYOND]
    overridden = [f"{who}: {name} = {value}" for who, name, value in rows if name.lower() in OURS]
    if overridden:
        listed = "; ".join(overridden)
        found.append(ok("session settings", f"the daemon overrides: {listed}"))
    return found or [ok("session settings", "no imposed setting matters")]


def _reaching(who: str, name: str, value: str) -> CheckResult:
    severity = error if name == "session_replication_role" and value != "origin" else warning
    place = who.replace(" in ", " IN ").replace("role ", "ROLE ").replace("database ", "DATABASE ")
    return severity(
        "session settings", f"{who}: {name} = {value}", BEYOND[name], f"ALTER {place} RESET {name};"
    )
