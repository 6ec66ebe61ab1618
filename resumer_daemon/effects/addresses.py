"""Which addresses are nobody's inside: everything else is refused unless the settings allow it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

# Written out rather than asked of `ipaddress`: what it calls global differs from one Python to
# another, and it knows neither tunnels nor the public addresses that clouds answer from within.
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


def refusal(address: Address) -> str | None:
    """Return what kind of address it is, with its article, or None for one of the open Internet."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _V4.items() if address in network), None)
    for network, kind in _V6.items():
        if address in network:
            return kind
    if address not in _V6_GLOBAL:
        return "a reserved"
    return "a tunnel's" if int(address) >> 32 & 0xFFFFFFFF in _ISATAP else None


def as_address(text: str) -> Address | None:
    """Read an address in its standard spelling; None for a name. Zones are no part of it."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None
