"""Public IP ranges, and the hosts and networks that `RESUMER_HTTP_ALLOW` adds.

Requests to any other address are refused.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from resumer_daemon.effects.urls import host_name
from resumer_daemon.errors import SettingsError

Address: TypeAlias = IPv4Address | IPv6Address

# Not taken from `ipaddress`: its `is_global` differs between Python versions, and it knows neither
# tunnels nor the public addresses at which clouds serve internal metadata.
_V4: Final = {
    IPv4Network(network): kind
    for network, kind in {
        "0.0.0.0/8": "an unspecified",
        "10.0.0.0/8": "a private",
        "100.64.0.0/10": "a shared",
        "127.0.0.0/8": "a loopback",
        "168.63.129.16/32": "a metadata",
        "169.254.0.0/16": "a link-local",
        "172.16.0.0/12": "a private",
        "192.0.0.0/24": "a reserved",
        "192.0.2.0/24": "a documentation",
        "192.31.196.0/24": "a reserved",
        "192.52.193.0/24": "a reserved",
        "192.88.99.0/24": "a tunnel's",
        "192.168.0.0/16": "a private",
        "192.175.48.0/24": "a reserved",
        "198.18.0.0/15": "a benchmark's",
        "198.51.100.0/24": "a documentation",
        "203.0.113.0/24": "a documentation",
        "224.0.0.0/4": "a multicast",
        "240.0.0.0/4": "a reserved",
    }.items()
}
_V6_GLOBAL: Final = IPv6Network("2000::/3")
_V6: Final = {
    IPv6Network(network): kind
    for network, kind in {
        "::1/128": "a loopback",
        "::/96": "an unspecified",
        "::ffff:0:0/96": "a mapped",
        "64:ff9b::/96": "a translated",
        "64:ff9b:1::/48": "a translated",
        "fc00::/7": "a private",
        "fe80::/10": "a link-local",
        "fec0::/10": "a private",
        "ff00::/8": "a multicast",
        "2001::/23": "a tunnel's",
        "2001:db8::/32": "a documentation",
        "2002::/16": "a tunnel's",
        "2620:4f:8000::/48": "a reserved",
        "3fff::/20": "a documentation",
    }.items()
}
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def refusal_of_address(address: Address) -> str | None:
    """Return the kind of a non-public address, with its article, or None for a public address."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _V4.items() if address in network), None)
    for network, kind in _V6.items():
        if address in network:
            return kind
    if address not in _V6_GLOBAL:
        return "a reserved"
    return "a tunnel's" if int(address) >> 32 & 0xFFFFFFFF in _ISATAP else None


def as_address(text: str) -> Address | None:
    """Parse an address in its standard form. Return None for a name, or if it has a zone."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


Network: TypeAlias = IPv4Network | IPv6Network

_ENTRY: Final = re.compile(
    r"""(?: \[ (?P<v6> [^\[\]]+ ) \] | (?P<plain> [^\[\]:]+ ) ) (?: : (?P<port> [0-9]{1,5} ) )?
        | (?P<bare> [0-9A-Fa-f:./]+ )""",
    re.VERBOSE,
)
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class AllowList:
    """Non-public hosts and networks that are allowed, each at one port. Port None: any port."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    suffixes: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    def has_name(self, host: str, port: int) -> bool:
        """Tell whether a host is allowed by name, whatever its address is."""
        if (host, port) in self.names or (host, None) in self.names:
            return True
        return any(host.endswith(suffix) and at in (None, port) for suffix, at in self.suffixes)

    def has_address(self, address: Address, port: int) -> bool:
        """Tell whether an address is in an allowed network."""
        return any(address in network and at in (None, port) for network, at in self.networks)


def read_allow_list(text: str) -> AllowList:
    """Parse a comma list such as `internal.example:8080, *.svc.local, 10.1.0.0/16, [fd00::1]:80`.

    Raises:
        SettingsError: It names every invalid entry.
    """
    names, suffixes, networks, invalid = set(), set(), [], []
    for entry in filter(None, map(str.strip, text.split(","))):
        try:
            allowed, port = _parse(entry)
        except ValueError as error:
            invalid.append(f"{entry!r}: {error}")
            continue
        if not isinstance(allowed, str):
            networks.append((allowed, port))
        elif allowed.startswith("."):
            suffixes.add((allowed, port))
        else:
            names.add((allowed, port))
    if invalid:
        raise SettingsError("RESUMER_HTTP_ALLOW is invalid: " + "; ".join(invalid))
    return AllowList(frozenset(names), frozenset(suffixes), tuple(networks))


def _parse(entry: str) -> tuple[str | Network, int | None]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError("not a host or a network")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 1 <= port <= _MAX_PORT:
        raise ValueError("not a port")
    text = match["v6"] or match["plain"] or match["bare"]
    if text.startswith("*."):
        return f".{host_name(text[2:])}", port
    if ":" in text or "/" in text or text.replace(".", "").isdigit():
        return ip_network(text), port
    return host_name(text), port
