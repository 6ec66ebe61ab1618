"""What our role and the database impose on our sessions, and which of it reaches them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from resumer_daemon.store.connect import settings
from resumer_daemon.store.doctor.finding import Finding, Patient, broken, warning, well
from resumer_daemon.store.session import session_settings
from resumer_daemon.store.statements import load

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


async def check_imposed_settings(patient: Patient) -> Sequence[Finding]:
    """Look at what is imposed."""
    cursor = await patient.connection.execute(load("doctor_imposed"))
    rows = await cursor.fetchall()
    found = [_reaching(*row) for row in rows if row[1].lower() in BEYOND]
    overridden = [f"{who}: {name} = {value}" for who, name, value in rows if name.lower() in OURS]
    if overridden:
        told = "; ".join(overridden)
        found.append(well("session settings", f"our sessions set their own: {told}"))
    return found or [well("session settings", "nothing is imposed on us that matters")]


def _reaching(who: str, name: str, value: str) -> Finding:
    verdict = broken if name == "session_replication_role" and value != "origin" else warning
    place = who.replace(" in ", " IN ").replace("role ", "ROLE ").replace("database ", "DATABASE ")
    return verdict(
        "session settings", f"{who}: {name} = {value}", BEYOND[name], f"ALTER {place} RESET {name};"
    )
