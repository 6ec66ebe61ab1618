"""How we are connected: through a pooler or not, encrypted or not."""

from collections.abc import Sequence

from resumer_daemon.config import is_local
from resumer_daemon.store.doctor.finding import Finding, Patient, warning, well


async def check_connection(patient: Patient) -> Sequence[Finding]:
    """Look at the connection itself."""
    return [_pooler(patient), _tls(patient)]


def _pooler(patient: Patient) -> Finding:
    if patient.connection.prepare_threshold is not None:
        return well("pooler", "connected directly")
    if patient.settings.listen_url is not None:
        return well("pooler", "through a pooler; RESUMER_LISTEN_URL leads to the server")
    return warning(
        "pooler",
        "something between us and the server shares backends",
        "LISTEN does not work through a transaction pooler: decisions are found by polling",
        "RESUMER_LISTEN_URL=<an address that leads to the server directly>",
    )


def _tls(patient: Patient) -> Finding:
    if patient.connection.pgconn.ssl_in_use:
        return well("tls", "encrypted")
    host = patient.connection.info.host
    if is_local(host):
        return well("tls", "not needed: the server is on this machine")
    return warning(
        "tls",
        f"the connection to {host} is not encrypted",
        "whoever is on the way reads the password and decides in our name",
        "remove sslmode from the URL and RESUMER_DATABASE_SSLMODE: verify-full is the default",
    )
