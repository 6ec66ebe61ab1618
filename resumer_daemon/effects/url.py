"""The URL of a request, taken apart strictly: what could be read in two ways is not read at all."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from resumer_daemon.effects.hostnames import host_name, v6_address
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
