"""Checks of activity: due work, incidents, dead rows, and the settings of writers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from resumer_daemon.engine.state import VERSION
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, error, ok, warning
from resumer_daemon.store.statements import load

LATE = 60.0
MANY = 10_000


async def check_work(context: CheckContext) -> Sequence[CheckResult]:
    """Check due requests, incidents, states and dead rows."""
    cursor = context.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor.work"), {"version": VERSION})
    seen = await cursor.fetchone() or {}
    await cursor.execute(load("doctor.bloat"))
    return [
        _due(seen["oldest_due"] or 0.0),
        _incidents(seen["incidents"]),
        _newer(seen["newer"]),
        *_bloat(await cursor.fetchall()),
    ]


def _due(age: float) -> CheckResult:
    if age < LATE:
        return ok("inbox", "no request waits for long")
    return error(
        "inbox",
        f"the oldest due request has waited for {age:.0f} s",
        "no daemon claims it, or another session has locked its execution",
        "resumer-daemon run; else SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock';",
    )


def _incidents(count: int) -> CheckResult:
    if not count:
        return ok("incidents", "none")
    return warning(
        "incidents",
        f"{count} {'execution has' if count == 1 else 'executions have'} an incident",
        "an incident continues only after a retry",
        "resumer-daemon list --status paused; resumer-daemon show ID; resumer-daemon retry ID",
    )


def _newer(count: int) -> CheckResult:
    if not count:
        return ok("states", "this version can read all of them")
    return error(
        "states",
        f"{count} {'execution has' if count == 1 else 'executions have'} a state that a newer"
        " version wrote",
        "daemons of this version cannot continue them",
        "upgrade the daemons to the version that wrote them",
    )


def _bloat(rows: Sequence[Mapping[str, Any]]) -> list[CheckResult]:
    bloated = [
        warning(
            "bloat",
            f"resumer.{row['name']} has {row['dead']:,} dead and {row['live']:,} live rows,"
            f" last vacuum {row['cleaned'] or 'never'}",
            "every scan reads past them",
            f"VACUUM resumer.{row['name']};",
        )
        for row in rows
        if row["dead"] > max(MANY, row["live"])
    ]
    return bloated or [ok("bloat", "few dead rows")]


UNLIMITED = {"statement_timeout": ("0", "0ms"), "temp_file_limit": ("-1", "-1kB")}


async def check_writers(context: CheckContext) -> Sequence[CheckResult]:
    """Check settings that are imposed on writers, and the writers' clocks."""
    cursor = await context.connection.execute(load("doctor.writer_settings"))
    imposed = list(_imposed(await cursor.fetchall()))
    return [
        *(imposed or [ok("writers", "no imposed setting affects the triggers")]),
        await _clocks(context),
    ]


def _imposed(rows: Sequence[tuple[str, str, str]]) -> Iterator[CheckResult]:
    for who, name, value in rows:
        what = f"{who}: {name} = {value}"
        if name == "session_replication_role" and value != "origin":
            yield error(
                "writers",
                what,
                "the triggers do not fire, so decisions wait for the reconciler",
                f"ALTER ROLE {who} RESET session_replication_role;",
            )
        elif value in UNLIMITED.get(name, (value,)):
            continue
        elif name == "statement_timeout":
            yield warning(
                "writers",
                what,
                "it includes the trigger: a bulk decision takes about 1.8 times as long",
                f"ALTER ROLE {who} SET statement_timeout = <twice their longest time>;",
            )
        else:
            yield warning(
                "writers",
                what,
                "a bulk decision keeps its rows for the trigger, on disk if there are many",
                f"ALTER ROLE {who} RESET temp_file_limit;",
            )


async def _clocks(context: CheckContext) -> CheckResult:
    cursor = context.connection.cursor(row_factory=dict_row)
    zone = context.settings.service_timezone
    await cursor.execute(load("doctor.clock_skew", schema=context.schema), {"timezone": zone})
    seen = await cursor.fetchone() or {}
    if not seen["off"]:
        return ok("writers' clocks", f"agree with the server's clock (in {zone})")
    return warning(
        "writers' clocks",
        f"{seen['off']} of the last {seen['decisions']} decisions have a wrong `decided_at`,"
        f" the median is off by {seen['seconds'] / 3600:+.2f} h",
        "expiry times are read in RESUMER_SERVICE_TIMEZONE; nothing else depends on these clocks",
        "set RESUMER_SERVICE_TIMEZONE to the zone that the service writes",
    )
