"""The statements of `sql/`, as bytes: one a file, nothing is ever put together from pieces.

All files are read at the import: an upgrade in place must not give a running process statements of
another version, and a process at its limit of open files must not end at the first use of one.

Databases differ in a few columns of the service. A line that ends in `--? feature` is kept only
where the probe (`store/contract.py`) found that feature.
"""

import re
from collections.abc import Set
from functools import cache
from importlib.resources import files
from typing import Any, Final

from psycopg import sql

TEXTS: Final = {
    file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
    for file in files("resumer_daemon.sql").iterdir()
    if file.name.endswith(".sql")
}
OPTIONAL = re.compile(r"^(?P<line>.*?)\s*--\? (?P<feature>\w+)$")


@cache
def load(name: str, features: Set[str] = frozenset()) -> bytes:
    """Return the statement `sql/<name>.sql` for a database that has these features."""
    return "\n".join(_kept(TEXTS[name], features)).encode()


def written(name: str, /, **values: Any) -> str:
    """Return a statement with its values written out, to be read, pasted, or printed."""
    lines = load(name).decode().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return text % {key: sql.Literal(value).as_string() for key, value in values.items()}


def _kept(text: str, features: Set[str]) -> list[str]:
    lines = []
    for line in text.splitlines():
        optional = OPTIONAL.match(line)
        if optional is None:
            lines.append(line)
        elif optional["feature"] in features:
            lines.append(optional["line"])
    return lines
