"""How far a server is trusted: one beyond this machine must prove its name, unless told."""

import os
from ipaddress import ip_address
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROOTS = Path("~/.postgresql/root.crt")


def secured(url: str, sslmode: str) -> str:
    """Return the address as it is connected to.

    What the address, `PGSSLMODE` or a service file says of TLS stands. Else a host beyond this
    machine gets `sslmode`, and the roots of the system where no others are given.
    """
    given = conninfo_to_dict(url)
    if "sslmode" in given or "service" in given or os.environ.get("PGSSLMODE"):
        return url
    hosts = str(given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or "")
    if all(is_local(host) for host in hosts.split(",")):
        return url
    roots = {}
    if sslmode == "verify-full" and not (
        "sslrootcert" in given or os.environ.get("PGSSLROOTCERT") or ROOTS.expanduser().exists()
    ):
        roots["sslrootcert"] = "system"
    return make_conninfo(url, sslmode=sslmode, **roots)


def is_local(host: str) -> bool:
    """Tell whether a host is this machine: a socket, a loopback address, or `localhost`."""
    if not host or host[0] in "/@" or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
