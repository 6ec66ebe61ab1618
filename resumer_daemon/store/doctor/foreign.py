"""Triggers of others on the tables that the daemon writes: they run in its transactions."""

from collections.abc import Sequence

from resumer_daemon.store.doctor.finding import Finding, Patient, well
from resumer_daemon.store.statements import load

CHECK = "foreign triggers"


async def check_foreign_triggers(patient: Patient) -> Sequence[Finding]:
    """List them, each with what it runs: who looks for a slow write begins there."""
    cursor = await patient.connection.execute(
        load("doctor_foreign_triggers"), {"schema": patient.schema}
    )
    found = [
        f"{trigger} on {table} runs {function}"
        for table, trigger, function in await cursor.fetchall()
    ]
    if not found:
        return [well(CHECK, "there are none on the tables that the daemon writes")]
    return [well(CHECK, f"run in the daemon's transactions: {'; '.join(found)}")]
