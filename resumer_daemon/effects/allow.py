"""The hosts and networks inside that requests may go to: `RESUMER_HTTP_ALLOW`."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias

from resumer_daemon.effects.addresses import Address
from resumer_daemon.effects.hostnames import host_name
from resumer_daemon.errors import SettingsError

Network: TypeAlias = IPv4Network | IPv6Network

_ENTRY: Final = re.compile(
    r"""(?: \[ (?P<v6> [^\[\]]+ ) \] | (?P<plain> [^\[\]:]+ ) ) (?: : (?P<port> [0-9]{1,5} ) )?
        | (?P<bare> [0-9A-Fa-f:./]+ )""",
    re.VERBOSE,
)
_LARGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the guard lets through although it is inside. A port of None is any port."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    suffixes: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    def has_name(self, host: str, port: int) -> bool:
        """Tell whether a host is allowed by its name, wherever that leads."""
        if (host, port) in self.names or (host, None) in self.names:
            return True
        return any(host.endswith(end) and at in (None, port) for end, at in self.suffixes)

    def has_address(self, address: Address, port: int) -> bool:
        """Tell whether an address lies in a network that is allowed."""
        return any(address in network and at in (None, port) for network, at in self.networks)


def read_allow_list(text: str) -> AllowList:
    """Read a comma list such as `internal.example:8080, *.svc.local, 10.1.0.0/16, [fd00::1]:80`.

    Raises:
        SettingsError: With every entry that is none of these.
    """
    names, suffixes, networks, wrong = set(), set(), [], []
    for entry in filter(None, map(str.strip, text.split(","))):
        try:
            what, port = _read(entry)
        except ValueError as error:
            wrong.append(f"{entry!r}: {error}")
            continue
        if not isinstance(what, str):
            networks.append((what, port))
        elif what.startswith("."):
            suffixes.add((what, port))
        else:
            names.add((what, port))
    if wrong:
        raise SettingsError("RESUMER_HTTP_ALLOW is wrong: " + "; ".join(wrong))
    return AllowList(frozenset(names), frozenset(suffixes), tuple(networks))


def _read(entry: str) -> tuple[str | Network, int | None]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError("neither a host nor a network")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 1 <= port <= _LARGEST_PORT:
        raise ValueError("not a port")
    text = match["v6"] or match["plain"] or match["bare"]
    if text.startswith("*."):
        return f".{host_name(text[2:])}", port
    if ":" in text or "/" in text or text.replace(".", "").isdigit():
        return ip_network(text), port
    return host_name(text), port
