"""The sequences of identity columns: a logical copy of a database has all rows and no sequences."""

from collections.abc import Sequence

from resumer_daemon.store.doctor.finding import Finding, Patient, broken, well
from resumer_daemon.store.statements import load


async def check_sequences(patient: Patient) -> Sequence[Finding]:
    """Look whether a sequence is behind the rows of its table."""
    cursor = await patient.connection.execute(load("doctor_sequences"))
    behind = await cursor.fetchall()
    if not behind:
        return [well("sequences", "are ahead of the rows of their tables")]
    return [
        broken(
            "sequences",
            f"{sequence} is at {last}, ids up to {highest} are taken",
            "each insert conflicts until the sequence has passed them; so it is after a switch to a"
            " logical copy",
            remedy,
        )
        for sequence, last, highest, remedy in behind
    ]
