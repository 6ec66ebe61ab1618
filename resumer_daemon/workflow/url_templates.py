"""Percent-encode references in URLs by their positions."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from resumer_daemon.workflow.errors import TemplateFault
from resumer_daemon.workflow.secret_refs import MARK, mask_secrets

LONGEST: Final = 8192
"""The most characters of the path and the query of a URL, as they are sent."""

NAMES_USER: Final = "a URL may hold no user name and no password: send an Authorization header"

_MOST: Final = 2 * LONGEST
_SHOWN: Final = 256
# The scheme and the host, or the secret at the beginning, and the rest.
_BASE: Final = re.compile(rf"(?:[^/?#]*://|{MARK})[^/?#]*(?P<rest>.*)", re.DOTALL)
_ENDS_HOST: Final = re.compile(r"[\x00-\x20\x7f/?#@%\\]")
_USER: Final = re.compile(r"(?:[^/?#\\]*:[/\\]*)?[^/?#\\]*@")
_NOT_IN_URL: Final = re.compile(r"[\x00-\x20\x7f]")
_AT: Final = re.compile("@|%40")
_ENCODED_DOT: Final = re.compile("%2e", re.IGNORECASE)
_DOTS: Final = frozenset((".", ".."))


class UrlBuilder:
    """Join the texts and values of a template to a URL."""

    def __init__(self) -> None:
        self.url = ""
        self._contributed: list[tuple[int, int]] = []

    def literal(self, text: str) -> None:
        """Append a text of the template, or the mark of a secret, unchanged."""
        self.url += text
        if len(self.url) > _MOST:
            raise TemplateFault(f"a URL of more than {LONGEST:,} characters")

    def value(self, value: str) -> None:
        """Append the value of a reference.

        A value at the beginning is a scheme or a base URL and is not encoded. In the host, only
        characters that would end the host are encoded, so that the URL is refused.
        """
        match = _BASE.match(self.url)
        begins = len(self.url)
        if match is None:
            self.literal(value)
        elif not match["rest"]:
            self.literal(_ENDS_HOST.sub(lambda found: quote(found[0], safe=""), value))
        else:
            self.literal(quote(value, safe="", errors="replace"))
            self._contributed.append((begins, len(self.url)))

    def build(self) -> str:
        """Return the URL.

        Raises:
            TemplateFault: A reference is a path segment of dots, which leads to another path.
        """
        path = re.split(r"[?#]", self.url, maxsplit=1)[0]
        for begins, ends in self._contributed:
            first = path.rfind("/", 0, begins) + 1
            segment = path[first:].partition("/")[0]
            if ends <= len(path) and _ENCODED_DOT.sub(".", segment) in _DOTS:
                raise TemplateFault(f"not a path segment of a URL: {segment}")
        return self.url


def resolve_url(url: str, lookup: Callable[[str], str]) -> str:
    """Return a rendered URL with its secrets, each encoded by its position."""
    builder = UrlBuilder()
    position = 0
    for match in re.finditer(MARK, url):
        builder.literal(url[position : match.start()])
        builder.value(lookup(match[1]))
        position = match.end()
    builder.literal(url[position:])
    return builder.build()


def is_url(text: str) -> bool:
    """Tell whether a text without secrets is an HTTP URL."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and not _NOT_IN_URL.search(text)


def names_user(url: str) -> bool:
    """Tell whether a URL, or a text similar to one, holds a user name or a password."""
    return _USER.match(url) is not None


def refusal(url: str) -> str:
    """Return why a rendered URL is refused, without a possible password."""
    if names_user(url):
        return NAMES_USER
    return "not a URL" if _AT.search(url) else f"not a URL: {mask_secrets(url)[:_SHOWN]}"
