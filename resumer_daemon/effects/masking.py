"""The secrets of one request: put in at the last moment, taken out of whatever comes back."""

import json
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus

from resumer_daemon.workflow.faults import Fault
from resumer_daemon.workflow.secretrefs import PREFIX, resolve_secrets
from resumer_daemon.workflow.values import Json

Lookup: TypeAlias = Callable[[str], str]
"""Returns a secret's value by its name; raises LookupError."""

_DEPTH: Final = 320


class Revealed:
    """Resolves references, and remembers what it has revealed in order to mask it."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._shown: dict[str, str] = {}

    def resolve(self, value: Json) -> Json:
        """Return a rendered value with its secrets put in: for sending only.

        Raises:
            Fault: There is no such secret.
        """
        return resolve_secrets(value, self._reveal)

    @property
    def longest(self) -> int:
        """How many characters a secret has at most, however it is spelled."""
        return max(map(len, self._shown), default=0)

    def mask(self, text: str) -> str:
        """Return a text with each secret as the reference that was written."""
        for secret in sorted(self._shown, key=len, reverse=True):
            text = text.replace(secret, self._shown[secret])
        return text

    def mask_within(self, value: Json, depth: int = 0) -> Json:
        """Return a value with every text in it masked, keys too."""
        if not self._shown or depth > _DEPTH:
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
        except LookupError:
            raise Fault(f"webhook: no secret {name}") from None
        for spelling in filter(None, _spellings(secret)):
            self._shown[spelling] = f"{{{{{PREFIX}{name}}}}}"
        return secret


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it may come back: as it is, within JSON, within a URL."""
    yield secret
    yield secret.strip()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
