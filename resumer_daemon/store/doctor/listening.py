"""Whether notifications arrive, tried out as the listener does."""

from collections.abc import Sequence

import psycopg

from resumer_daemon.errors import Unreachable
from resumer_daemon.store.connect import connect
from resumer_daemon.store.doctor.finding import Finding, Patient, warning, well
from resumer_daemon.store.hearing import listen, ping, sender

DEADLINE = 2.0


async def check_listening(patient: Patient) -> Sequence[Finding]:
    """Listen where the daemon would, and notify ourselves."""
    name = "RESUMER_LISTEN_URL" if patient.settings.listen_url else "RESUMER_DATABASE_URL"
    try:
        if await _heard(patient.settings.listening_url):
            return [well("listen path", f"notifications arrive through {name}")]
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
