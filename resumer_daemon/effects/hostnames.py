"""Host names and addresses in URLs and settings: one spelling is right, all others are refused."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Dots, and the sign for Kelvin: what would become ASCII on the way.
_BECOMES_ASCII: Final = re.compile("[\u3002\uff0e\uff61\u212a]")
_LONGEST: Final = 253


def host_name(text: str) -> str:
    """Return a host name, or an IPv4 address, as it is looked up: lower case, ASCII, no last dot.

    Raises:
        ValueError: It is neither; `127.1`, `0x7f000001`, `2130706433` and `0177.0.0.1` are not.
    """
    name = _ascii(text).lower().removesuffix(".")
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_parsed(IPv4Address, name))
    return name


def v6_address(text: str) -> str:
    """Return an IPv6 address in its shortest spelling, without brackets.

    Raises:
        ValueError: It is none, or it names a zone.
    """
    if "%" in text:
        raise ValueError("not an address")
    return str(_parsed(IPv6Address, text))


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if _BECOMES_ASCII.search(text):
        raise ValueError("not a host name")
    try:
        return idna.encode(text.lower()).decode("ascii")
    except UnicodeError:
        raise ValueError("not a host name") from None


def _parsed(kind: type[IPv4Address] | type[IPv6Address], text: str) -> IPv4Address | IPv6Address:
    try:
        return kind(text)
    except AddressValueError:
        raise ValueError("not an address") from None
