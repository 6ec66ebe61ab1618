"""What no trigger can prevent: settings of the programs that write decisions."""

from collections.abc import Iterator, Sequence

from psycopg.rows import dict_row

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.statements import load

UNLIMITED = {"statement_timeout": ("0", "0ms"), "temp_file_limit": ("-1", "-1kB")}


async def check_writers(patient: Patient) -> Sequence[Finding]:
    """Look at what roles, this database and the server impose, and at the writers' clocks."""
    cursor = await patient.connection.execute(load("doctor_writers"))
    imposed = list(_imposed(await cursor.fetchall()))
    return [
        *(imposed or [well("writers", "nothing is imposed on them that triggers cannot help")]),
        await _clocks(patient),
    ]


def _imposed(rows: Sequence[tuple[str, str, str]]) -> Iterator[Finding]:
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


async def _clocks(patient: Patient) -> Finding:
    cursor = patient.connection.cursor(row_factory=dict_row)
    zone = patient.settings.service_timezone
    await cursor.execute(load("doctor_clocks", schema=patient.schema), {"timezone": zone})
    seen = await cursor.fetchone() or {}
    if not seen["off"]:
        return well("writers' clocks", f"agree with the server's, read in {zone}")
    return warning(
        "writers' clocks",
        f"{seen['off']} of the last {seen['decisions']} decisions say another time than it was,"
        f" in the middle by {seen['seconds'] / 3600:+.2f} h",
        "expiry dates are read in RESUMER_SERVICE_TIMEZONE; nothing else depends on their clocks",
        "set RESUMER_SERVICE_TIMEZONE to the zone that the service writes",
    )
