"""The statements of `sql/` as the server gets them."""

import re

from resumer_daemon.store.statements import TEXTS

NAMES = sorted(TEXTS)

PLACEHOLDER = re.compile(rb"%(?:\((?P<name>\w+)\)s|%)")


def numbered(query: bytes) -> tuple[bytes, list[str]]:
    """Return a query with `$1`, `$2` for its placeholders, and the names that they stand for."""
    names: list[str] = []

    def number(found: re.Match[bytes]) -> bytes:
        if found["name"] is None:
            return b"%"
        name = found["name"].decode()
        if name not in names:
            names.append(name)
        return b"$%d" % (names.index(name) + 1)

    return PLACEHOLDER.sub(number, query), names
