"""The tables: whether all migrations are applied, and the service's columns are as needed."""

from collections.abc import Sequence

from resumer_daemon.errors import ContractError
from resumer_daemon.store.contract import probe
from resumer_daemon.store.doctor.finding import Finding, Patient, broken, well
from resumer_daemon.store.history import read_history, unapplied


async def check_tables(patient: Patient) -> Sequence[Finding]:
    """Look at both."""
    return [await _migrations(patient), await _columns(patient)]


async def _migrations(patient: Patient) -> Finding:
    missing = unapplied(await read_history(patient.connection), patient.schema)
    if not missing:
        return well("migrations", "all are applied")
    return broken(
        "migrations",
        f"not applied: {', '.join(missing)}",
        "the daemon waits for them",
        "resumer-daemon migrate up",
    )


async def _columns(patient: Patient) -> Finding:
    try:
        features = await probe(patient.connection, patient.schema)
    except ContractError as error:
        return broken(
            "columns",
            str(error),
            "the daemon does nothing without them",
            _remedy(error),
        )
    absent = sorted(f.removeprefix("no_") for f in features if f.startswith("no_"))
    return well("columns", "as needed" + (f" (without {', '.join(absent)})" if absent else ""))


def _remedy(error: ContractError) -> str:
    remedies = "; ".join(m.remedy for m in error.mismatches if m.remedy)
    return remedies or "resumer-daemon migrate up; else see RESUMER_SERVICE_SCHEMA"
