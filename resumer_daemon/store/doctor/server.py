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
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, broken, ok, warning
from resumer_daemon.store.session import session_settings
from resumer_daemon.store.statements import load

OLDEST = 13
# LISTEN could fail for good with "could not access status of transaction" before these
LISTENS_SAFELY = {13: 24, 14: 21, 15: 16, 16: 12, 17: 8, 18: 2}
LONG = 300.0  # seconds that a transaction may be open before dead rows pile up
SKEW = 1.0
# the worker, its second lane, the listener, the heartbeat, two for scrapes, four for HTTP
BESIDE_POOL = 10
FEWEST = 4  # the worker, the listener, the heartbeat, and one that records effects


async def check_server(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at the server."""
    cursor = patient.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor.server"))
    seen = await cursor.fetchone() or {}
    return [
        _version(seen["version"]),
        _connections(seen, patient.settings.pool_size + BESIDE_POOL),
        *_limits(seen, patient.settings.pool_size + BESIDE_POOL),
        _clock(seen["clock"] - time.time()),
        _queue(seen["queue"]),
        _transactions(seen),
        ok("isolation", f"{seen['isolation']} by default; ours are read committed in any case"),
    ]


def _version(number: int) -> CheckResult:
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
    return ok("version", f"PostgreSQL {major}.{minor}")


def _connections(seen: Mapping[str, Any], needed: int) -> CheckResult:
    free = seen["connections_max"] - seen["connections"]
    if free < needed:
        return warning(
            "connections",
            f"{free} of {seen['connections_max']} are free",
            f"a daemon uses up to {needed}; without one it waits and tries again",
            "a higher max_connections (and a restart), or a pooler and RESUMER_LISTEN_URL",
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
            f"a daemon uses up to {needed}; without one no effect is sent and nothing is rescued",
            f"{alter} CONNECTION LIMIT {needed};",
        )
        for of, alter in limits
        if (limit := seen[f"{of}_limit"]) is not None and limit < needed
    ]


def _clock(skew: float) -> CheckResult:
    if abs(skew) > SKEW:
        return warning(
            "clock",
            f"the server's clock is {skew:+.1f} s from ours",
            "leases and timers go by the server's; signatures and tokens are dated by ours",
            "let both follow the same time server",
        )
    return ok("clock", "the server's clock agrees with ours")


def _queue(usage: float) -> CheckResult:
    if usage < 0.1:
        return ok("notification queue", f"{usage:.0%} full")
    return broken(
        "notification queue",
        f"{usage:.0%} full",
        "when it is full, every COMMIT that notifies fails: nobody can decide",
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
        "dead rows of the inbox stay while it is open, and every look gets slower",
        "SELECT pid, usename, xact_start, query FROM pg_stat_activity ORDER BY xact_start;"
        " SELECT * FROM pg_prepared_xacts;",
    )


async def check_connection(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at the connection itself."""
    return [_pooler(patient), _tls(patient)]


def _pooler(patient: CheckContext) -> CheckResult:
    if patient.connection.prepare_threshold is not None:
        return ok("pooler", "connected directly")
    if patient.settings.listen_url is not None:
        return ok("pooler", "through a pooler; RESUMER_LISTEN_URL leads to the server")
    return warning(
        "pooler",
        "something between us and the server shares backends",
        "LISTEN does not work through a transaction pooler: decisions are found by polling",
        "RESUMER_LISTEN_URL=<an address that leads to the server directly>",
    )


def _tls(patient: CheckContext) -> CheckResult:
    if patient.connection.pgconn.ssl_in_use:
        return ok("tls", "encrypted")
    host = patient.connection.info.host
    if is_local(host):
        return ok("tls", "not needed: the server is on this machine")
    return warning(
        "tls",
        f"the connection to {host} is not encrypted",
        "whoever is on the way reads the password and decides in our name",
        "remove sslmode from the URL and RESUMER_DATABASE_SSLMODE: verify-full is the default",
    )


DEADLINE = 2.0


async def check_listening(patient: CheckContext) -> Sequence[CheckResult]:
    """Listen where the daemon would, and notify ourselves."""
    name = "RESUMER_LISTEN_URL" if patient.settings.listen_url else "RESUMER_DATABASE_URL"
    try:
        if await _heard(patient.settings.listening_url):
            return [ok("listen path", f"notifications arrive through {name}")]
        said = "a notification did not come back: is a pooler between us?"
    except (Unreachable, psycopg.Error) as error:
        said = str(error).strip()
    return [
        warning(
            "listen path",
            f"{name}: {said}",
            "decisions are found by polling every RESUMER_POLL_ONLY_INTERVAL",
            "RESUMER_LISTEN_URL=<an address that leads to the server directly>",
        )
    ]


async def _heard(url: str) -> bool:
    """Tell whether anything arrives; what others say proves it as well."""
    async with await connect(url, autocommit=True, name="resumer-doctor") as connection:
        await listen(connection)
        async with sender(connection, url) as by:
            await ping(by)
        heard = [note async for note in connection.notifies(timeout=DEADLINE, stop_after=1)]
    return bool(heard)


OURS: Final = frozenset(
    name.lower()
    for statement in (settings(local=True)[0], session_settings())
    for name in re.findall(r"set_config\('(\w+)'", statement.decode())
) | {"client_encoding"}
"""What each of our sessions sets itself."""

BEYOND: Final[Mapping[str, str]] = {
    "session_replication_role": "our triggers do not see what we write: expiries wait",
    "temp_file_limit": "a large batch fails when its rows do not fit, and is repeated in parts",
    "role": "we have the rights of that role, and not of our own",
    "ignore_checksum_failure": "damaged pages are read as if they were whole",
    "zero_damaged_pages": "damaged pages are read as if they were empty",
    "lo_compat_privileges": "it widens rights",
}
"""What a session without special rights cannot set, or should not, and what it means for us."""


async def check_environment(_: CheckContext) -> Sequence[CheckResult]:
    """Look for variables that name no setting."""
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


async def check_imposed_settings(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at what is imposed."""
    cursor = await patient.connection.execute(load("doctor.imposed_settings"))
    rows = await cursor.fetchall()
    found = [_reaching(*row) for row in rows if row[1].lower() in BEYOND]
    overridden = [f"{who}: {name} = {value}" for who, name, value in rows if name.lower() in OURS]
    if overridden:
        told = "; ".join(overridden)
        found.append(ok("session settings", f"our sessions set their own: {told}"))
    return found or [ok("session settings", "nothing is imposed on us that matters")]


def _reaching(who: str, name: str, value: str) -> CheckResult:
    verdict = broken if name == "session_replication_role" and value != "origin" else warning
    place = who.replace(" in ", " IN ").replace("role ", "ROLE ").replace("database ", "DATABASE ")
    return verdict(
        "session settings", f"{who}: {name} = {value}", BEYOND[name], f"ALTER {place} RESET {name};"
    )
