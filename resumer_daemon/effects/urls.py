"""Parse URLs and host names strictly: what two parsers could read in two ways is refused."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote

import idna

from resumer_daemon.workflow.url_templates import LONGEST

_URL: Final = re.compile(
    r"""(?P<scheme> https? ) ://
        (?: \[ (?P<v6> [0-9A-Fa-f:.]+ ) \] | (?P<name> [^\[\]:@%/?\#]+ ) )
        (?: : (?P<port> [0-9]{1,5} ) )?
        (?P<path> /[^?\#]* )? (?P<query> \?[^\#]* )? (?: \#.* )?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_NEVER: Final = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029\ufffe\uffff\ud800-\udfff]")
_AS_THEY_ARE: Final = "!$%&'()*+,/:;=?@[]~-._"
_PORTS: Final = {"http": 80, "https": 443}
_LARGEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Url:
    """Where a request goes. `host` is without brackets, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Who answers, as one text: what limits and circuit breakers go by."""
        return f"{self.scheme}://{self.authority}"


def read_url(text: str) -> Url:
    """Take a URL apart.

    Raises:
        ValueError: It is not `http` or `https`, names a user, has a host or a port in any but the
            one plain spelling, characters that do not belong there, or is too long.
    """
    match = _URL.fullmatch(text)
    if match is None or _NEVER.search(text):
        raise ValueError("not a URL")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _PORTS[scheme])
    host = v6_address(match["v6"]) if match["v6"] else host_name(match["name"])
    target = quote((match["path"] or "/") + (match["query"] or ""), safe=_AS_THEY_ARE)
    if not 1 <= port <= _LARGEST_PORT or len(target) > LONGEST:
        raise ValueError("not a URL")
    return Url(scheme, host, port, target)


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
