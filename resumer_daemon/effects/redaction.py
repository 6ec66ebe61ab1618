"""Insert secrets into a request just before it is sent, and remove them from its response."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus

from resumer_daemon.effects.shortage import is_shortage
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import PREFIX, resolve_secrets
from resumer_daemon.workflow.url_templates import resolve_url
from resumer_daemon.workflow.values import Json

Lookup: TypeAlias = Callable[[str], str]
"""Returns the value of a secret by name. Raises LookupError, OSError or UnicodeError."""

MIN_MASKED: Final = 4
"""Characters of the shortest secret that is masked. Shorter texts occur everywhere."""

_MAX_DEPTH: Final = 320


class SecretScope:
    """Resolves references to secrets, and masks every secret that it has revealed."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._names: dict[str, str] = {}

    def resolve(self, value: Json) -> Json:
        """Return a rendered value with its secrets, for sending only.

        Raises:
            StepError: There is no such secret.
            OSError: This daemon has no free file descriptor to read one.
        """
        return resolve_secrets(value, self._reveal)

    def resolve_url(self, url: str) -> str:
        """Return a rendered URL with its secrets, for sending only.

        Raises:
            StepError: There is no such secret, or the URL is invalid.
            OSError: As with `resolve`.
        """
        return resolve_url(url, self._reveal)

    @property
    def longest(self) -> int:
        """Characters of the longest form of a revealed secret."""
        return max(map(len, self._names), default=0)

    def mask(self, text: str) -> str:
        """Return a text in which each secret, in any case, is replaced by its reference."""
        if not self._names:
            return text
        spellings = sorted(self._names, key=len, reverse=True)
        pattern = "|".join(f"({re.escape(spelling)})" for spelling in spellings)

        def reference(match: re.Match[str]) -> str:
            return f"{{{{{PREFIX}{self._names[spellings[(match.lastindex or 1) - 1]]}}}}}"

        return re.sub(pattern, reference, text, flags=re.IGNORECASE)

    def mask_within(self, value: Json, depth: int = 0) -> Json:
        """Return a value in which every text is masked, keys included."""
        if not self._names or depth > _MAX_DEPTH:
            return value
        match value:
            case str():
                return self.mask(value)
            case list():
                return [self.mask_within(member, depth + 1) for member in value]
            case dict():
                return {
                    self.mask(key): self.mask_within(member, depth + 1)
                    for key, member in value.items()
                }
            case _:
                return value

    def _reveal(self, name: str) -> str:
        try:
            secret = self._lookup(name)
            secret.encode()
        except (LookupError, OSError, UnicodeError) as error:  # a UnicodeError would show it
            if is_shortage(error):
                raise
            raise StepError(f"webhook: no secret {name}") from None
        for spelling in _spellings(secret):
            if len(spelling) >= MIN_MASKED:
                self._names.setdefault(spelling, name)
        return secret


def _spellings(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may come back: plain, within JSON, within a URL."""
    yield secret
    yield secret.strip()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
