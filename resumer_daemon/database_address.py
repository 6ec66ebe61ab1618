"""The address of the database, and TLS for it.

Apart from `config`, because a command that only asks the database needs no other setting, and
pydantic takes 0.1 s to import.
"""

import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SSLMODE: Final = "verify-full"
SCHEMA: Final = "public"
TIMEZONE: Final = "UTC"

ROOTS = Path("~/.postgresql/root.crt")


def require_tls(url: str, sslmode: str) -> str:
    """Return the address with its TLS mode.

    The mode of the address, of `PGSSLMODE` or of a service file has priority. Otherwise a host that
    is not this machine gets `sslmode`, and the root certificates of the system if no others are
    given.
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


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The database, the schema of the service's tables, and the zone of its zone-less columns."""

    url: str
    service_schema: str = SCHEMA
    service_timezone: str = TIMEZONE


def read_address(url: str | None) -> DatabaseAddress | None:
    """Return the address if the environment has no other setting.

    `url` is the option of the command line. None: `Settings` must read and validate all settings.
    """
    names = {name for name in map(str.upper, os.environ) if name.startswith("RESUMER_")}
    if names - {"RESUMER_DATABASE_URL"}:
        return None
    given = url
    if given is None:
        given = os.environ.get("RESUMER_DATABASE_URL", os.environ.get("DATABASE_URL"))
    try:
        return DatabaseAddress(require_tls(given, SSLMODE)) if given else None
    except psycopg.Error:
        return None
