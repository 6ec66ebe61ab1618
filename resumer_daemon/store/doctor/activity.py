"""Checks of activity: due work, incidents, dead rows, and the settings of writers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from resumer_daemon.engine.state import VERSION
from resumer_daemon.store.doctor.finding import CheckContext, CheckResult, broken, ok, warning
from resumer_daemon.store.statements import load

LATE = 60.0
MANY = 10_000


async def check_work(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at the inbox, at incidents and at dead rows."""
    cursor = patient.connection.cursor(row_factory=dict_row)
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
        return ok("inbox", "nothing waits for long")
    return broken(
        "inbox",
        f"the oldest due request waits for {age:.0f} s",
        "no daemon takes the work, or somebody holds the lock of its execution",
        "resumer-daemon run; else SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock';",
    )


def _incidents(count: int) -> CheckResult:
    if not count:
        return ok("incidents", "none")
    return warning(
        "incidents",
        f"{count} executions wait for a person",
        "the daemon goes on with them only when it is told to",
        "resumer-daemon list --status paused; resumer-daemon show ID; resumer-daemon retry ID",
    )


def _newer(count: int) -> CheckResult:
    if not count:
        return ok("states", "all are of this version or of an older one")
    return broken(
        "states",
        f"{count} executions have a state of a newer version",
        "daemons of this version leave them alone",
        "upgrade the daemons to the version that wrote them",
    )


def _bloat(rows: Sequence[Mapping[str, Any]]) -> list[CheckResult]:
    bloated = [
        warning(
            "bloat",
            f"resumer.{row['name']} has {row['dead']:,} dead rows beside {row['live']:,},"
            f" cleaned {row['cleaned'] or 'never'}",
            "every look reads past them",
            f"VACUUM resumer.{row['name']};",
        )
        for row in rows
        if row["dead"] > max(MANY, row["live"])
    ]
    return bloated or [ok("bloat", "few dead rows")]


UNLIMITED = {"statement_timeout": ("0", "0ms"), "temp_file_limit": ("-1", "-1kB")}


async def check_writers(patient: CheckContext) -> Sequence[CheckResult]:
    """Look at what roles, this database and the server impose, and at the writers' clocks."""
    cursor = await patient.connection.execute(load("doctor.writer_settings"))
    imposed = list(_imposed(await cursor.fetchall()))
    return [
        *(imposed or [ok("writers", "nothing is imposed on them that triggers cannot help")]),
        await _clocks(patient),
    ]


def _imposed(rows: Sequence[tuple[str, str, str]]) -> Iterator[CheckResult]:
    for who, name, value in rows:
        what = f"{who}: {name} = {value}"
        if name == "session_replication_role" and value != "origin":
            yield broken(
                "writers",
                what,
                "our triggers do not fire: decisions wait for the reconciler",
                f"ALTER ROLE {who} RESET session_replication_role;",
            )
        elif value in UNLIMITED.get(name, (value,)):
            continue
        elif name == "statement_timeout":
            yield warning(
                "writers",
                what,
                "the trigger's time counts: a bulk decision takes about 1.8 times as long",
                f"ALTER ROLE {who} SET statement_timeout = <twice what their largest takes>;",
            )
        else:
            yield warning(
                "writers",
                what,
                "the rows of a bulk decision are kept for the trigger, on disk where they are many",
                f"ALTER ROLE {who} RESET temp_file_limit;",
            )


async def _clocks(patient: CheckContext) -> CheckResult:
    cursor = patient.connection.cursor(row_factory=dict_row)
    zone = patient.settings.service_timezone
    await cursor.execute(load("doctor.clock_skew", schema=patient.schema), {"timezone": zone})
    seen = await cursor.fetchone() or {}
    if not seen["off"]:
        return ok("writers' clocks", f"agree with the server's, read in {zone}")
    return warning(
        "writers' clocks",
        f"{seen['off']} of the last {seen['decisions']} decisions say another time than it was,"
        f" in the middle by {seen['seconds'] / 3600:+.2f} h",
        "expiry dates are read in RESUMER_SERVICE_TIMEZONE; nothing else depends on their clocks",
        "set RESUMER_SERVICE_TIMEZONE to the zone that the service writes",
    )
