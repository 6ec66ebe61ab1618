"""Where an embedded server is reached: by a Unix socket always, by a port if one was asked for."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """The folder of the socket, and the port on the loopback interface or None."""

    folder: Path
    tcp_port: int | None

    @property
    def port(self) -> int:
        """The port, which is a part of the socket's name as well."""
        return self.tcp_port or 5432

    def url(self, database: str) -> str:
        """Return what other programs connect to."""
        if self.tcp_port is None:
            return self.socket_url(database)
        return f"postgresql://postgres@{LOOPBACK}:{self.tcp_port}/{quote(database, safe='')}"

    def socket_url(self, database: str) -> str:
        """Return what can only be this server: another one may hold the port."""
        # The port is named because libpq would take PGPORT for it.
        place = urlencode({"host": self.folder, "port": self.port}, quote_via=quote)
        return f"postgresql://postgres@/{quote(database, safe='')}?{place}"

    def flags(self) -> list[str]:
        """Return how `postgres` is told to listen here, and nowhere else."""
        host = "" if self.tcp_port is None else LOOPBACK
        return ["-k", str(self.folder), "-h", host, "-p", str(self.port)]
