"""Parse URLs and host names strictly. Refuse those that two parsers could read differently."""

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
_FORBIDDEN: Final = re.compile("[\x00-\x20\x7f-\xa0\\\\\u2028\u2029\ufffe\uffff\ud800-\udfff]")
_UNQUOTED: Final = "!$%&'()*+,/:;=?@[]~-._"
_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Url:
    """A parsed URL. `host` has no brackets, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port as one text. Limits and circuit breakers are kept by it."""
        return f"{self.scheme}://{self.authority}"


def read_url(text: str) -> Url:
    """Parse a URL.

    Raises:
        ValueError: The scheme is neither `http` nor `https`, it names a user, its host or port is
            not in the one plain form, it has forbidden characters, or it is too long.
    """
    match = _URL.fullmatch(text)
    if match is None or _FORBIDDEN.search(text):
        raise ValueError("not a URL")
    scheme = match["scheme"].lower()
    port = int(match["port"] or _PORTS[scheme])
    host = v6_address(match["v6"]) if match["v6"] else host_name(match["name"])
    target = quote((match["path"] or "/") + (match["query"] or ""), safe=_UNQUOTED)
    if not 1 <= port <= _MAX_PORT or len(target) > LONGEST:
        raise ValueError("not a URL")
    return Url(scheme, host, port, target)


_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# dots and the Kelvin sign, which normalization turns into ASCII
_BECOMES_ASCII: Final = re.compile("[\u3002\uff0e\uff61\u212a]")
_MAX_NAME: Final = 253


def host_name(text: str) -> str:
    """Normalize a host name or an IPv4 address: lower case, ASCII, without a last dot.

    Raises:
        ValueError: It is neither. `127.1`, `0x7f000001`, `2130706433` and `0177.0.0.1` are neither.
    """
    name = _ascii(text).lower().removesuffix(".")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError("not a host name")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(_parse(IPv4Address, name))
    return name


def v6_address(text: str) -> str:
    """Return an IPv6 address in its shortest form, without brackets.

    Raises:
        ValueError: It is not an IPv6 address, or it names a zone.
    """
    if "%" in text:
        raise ValueError("not an address")
    return str(_parse(IPv6Address, text))


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if _BECOMES_ASCII.search(text):
        raise ValueError("not a host name")
    try:
        return idna.encode(text.lower()).decode("ascii")
    except UnicodeError:
        raise ValueError("not a host name") from None


def _parse(kind: type[IPv4Address] | type[IPv6Address], text: str) -> IPv4Address | IPv6Address:
    try:
        return kind(text)
    except AddressValueError:
        raise ValueError("not an address") from None
