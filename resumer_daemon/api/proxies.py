"""The address of a client, also behind proxies that the settings trust."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from resumer_daemon.config import Network

SITE = 64  # bits of an IPv6 address that one customer has to himself


class Proxies:
    """Networks of proxies. `X-Forwarded-For` counts only where one of them has written it."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return who is asking: the rightmost address that is not a trusted proxy's.

        `forwarded`: the values of all headers `X-Forwarded-For`, in their order. What a client
        writes itself stands further left, and is not believed. An IPv6 client is its network.
        """
        hops = [hop for value in forwarded for hop in value.split(",")]
        found = _address(peer)
        while found is not None and self._trusts(found) and hops:
            further = _address(hops.pop())
            if further is None:
                break
            found = further
        return peer if found is None else _site(found)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address that may have a port; None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _site(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    site = ip_network((int(address), SITE), strict=False)
    return str(site if isinstance(site, IPv6Network) else address)
