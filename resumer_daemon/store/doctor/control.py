"""The control row that triggers read, and two-phase commit, which it has to go with."""

from collections.abc import Sequence

from psycopg.rows import dict_row

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.statements import load


async def check_control_row(patient: Patient) -> Sequence[Finding]:
    """Look at what is written there, and what the settings say."""
    cursor = patient.connection.cursor(row_factory=dict_row)
    await cursor.execute(load("doctor_control"))
    row = await cursor.fetchone()
    if row is None:
        return [
            broken(
                "control row",
                "is gone",
                "triggers do not notify, functions do not work",
                "INSERT INTO resumer.control DEFAULT VALUES;",
            )
        ]
    settings = patient.settings
    wanted = (
        settings.notify,
        settings.service_timezone,
        settings.decision_guard,
        settings.closed_status,
        str(settings.document_bytes),
        settings.event_capture,
        str(settings.adopt_within),
    )
    names = (
        "notify",
        "service_timezone",
        "decision_guard",
        "closed_status",
        "document_bytes",
        "event_capture",
        "adopt_within",
    )
    written = tuple(str(row[name]) for name in names)
    return [_row(wanted, written, row["daemons"]), await _two_phase(patient, row["notify"])]


def _row(wanted: tuple[str, ...], written: tuple[str, ...], daemons: int) -> Finding:
    if wanted == written:
        return well("control row", f"as the settings say; {daemons} daemons are registered")
    return warning(
        "control row",
        f"says {', '.join(written)}; these settings {', '.join(wanted)}",
        "the daemon that started last decides these for all",
        "start all daemons with the same settings",
    )


async def _two_phase(patient: Patient, notify: str) -> Finding:
    cursor = await patient.connection.execute(load("doctor_two_phase"))
    row = await cursor.fetchone()
    if row == (0,) or notify == "off":
        return well("two-phase commit", f"fits RESUMER_NOTIFY={notify}")
    if notify == "on":
        return broken(
            "two-phase commit",
            "is possible, and RESUMER_NOTIFY=on",
            "a transaction that has written a decision cannot be prepared",
            "RESUMER_NOTIFY=auto",
        )
    return warning(
        "two-phase commit",
        "is possible: triggers do not notify (RESUMER_NOTIFY=auto)",
        "decisions are found by polling, up to RESUMER_POLL_INTERVAL later",
        "ALTER SYSTEM SET max_prepared_transactions = 0 (and a restart),"
        " or RESUMER_NOTIFY=on where nobody prepares decisions, or a shorter RESUMER_POLL_INTERVAL",
    )
