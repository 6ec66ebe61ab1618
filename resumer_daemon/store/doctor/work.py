"""Whether the work is done: what is due, who waits for a person, dead rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from resumer_daemon.engine.state import VERSION
from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.statements import load

LATE = 60.0
MANY = 10_000


async def check_work(patient: Patient) -> Sequence[Finding]:
    """Look at the inbox, at incidents and at dead rows."""
    cursor = patient.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor_work"), {"version": VERSION})
    seen = await cursor.fetchone() or {}
    await cursor.execute(load("doctor_bloat"))
    return [
        _due(seen["oldest_due"] or 0.0),
        _incidents(seen["incidents"]),
        _newer(seen["newer"]),
        *_bloat(await cursor.fetchall()),
    ]


def _due(age: float) -> Finding:
    if age < LATE:
        return well("inbox", "nothing waits for long")
    return broken(
        "inbox",
        f"the oldest due request waits for {age:.0f} s",
        "no daemon takes the work, or somebody holds the lock of its execution",
        "resumer-daemon run; else SELECT * FROM pg_stat_activity WHERE wait_event_type = 'Lock';",
    )


def _incidents(count: int) -> Finding:
    if not count:
        return well("incidents", "none")
    return warning(
        "incidents",
        f"{count} executions wait for a person",
        "the daemon goes on with them only when it is told to",
        "resumer-daemon list --status paused; resumer-daemon show ID; resumer-daemon retry ID",
    )


def _newer(count: int) -> Finding:
    if not count:
        return well("states", "all are of this version or of an older one")
    return broken(
        "states",
        f"{count} executions have a state of a newer version",
        "daemons of this version leave them alone",
        "upgrade the daemons to the version that wrote them",
    )


def _bloat(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
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
    return bloated or [well("bloat", "few dead rows")]
