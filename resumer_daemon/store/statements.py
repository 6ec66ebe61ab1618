"""Named statements: `sql/claim.sql` holds the statements `claim.<name>`, and so on by topic.

Statements are never built from pieces. A file is split at its lines `-- name: <name>` when this
module is imported, so that an upgrade in place never gives a running process statements of another
version, and a process at its limit of open files does not fail at the first use of one.

Databases differ in a few columns of the service. A line that ends in `--? feature` is kept only
where the probe (`store/service_schema.py`) found that feature.

Other roles may be able to create operators and functions in the service's schema, so that it is
not on the search path of these statements. Each statement gets the schema written before the
service's tables instead.
"""

import re
from collections.abc import Set
from functools import cache
from importlib.resources import files
from typing import Any, Final

from psycopg import sql

NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def split(topic: str, text: str) -> dict[str, str]:
    """Return the statements of one file by their full names.

    Raises:
        ValueError: Two statements have the same name.
    """
    _, *parts = NAME.split(text)
    names = [f"{topic}.{name}" for name in parts[::2]]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"statements with the same name: {', '.join(sorted(repeated))}")
    return {name: part.rstrip("\n") for name, part in zip(names, parts[1::2], strict=True)}


TEXTS: Final = {
    name: statement
    for file in files("resumer_daemon.sql").iterdir()
    if file.name.endswith(".sql")
    for name, statement in split(
        file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")
    ).items()
}
OPTIONAL = re.compile(r"^(?P<line>.*?)\s*--\? (?P<feature>\w+)$")
OWN_PATH = "pg_catalog, resumer, pg_temp"
SERVICE_TABLES = (
    "api_keys",
    "approval_requests",
    "audit_log",
    "context_cache",
    "events",
    "organizations",
    "rules",
    "step_executions",
    "workflow_executions",
    "workflows",
)
_NAMED = re.compile(
    r"(?P<comment>--[^\n]*)|(?P<text>'(?:[^']|'')*')|(?P<written>\bservice_schema\.)"
    r"|(?P<before>\b(?:FROM|INTO|JOIN|ON|REFERENCES|TABLE|UPDATE)\s+)"
    rf"(?P<table>(?:{'|'.join(SERVICE_TABLES)})\b)(?!\s*\.)"
)


@cache
def load(name: str, features: Set[str] = frozenset(), schema: str | None = None) -> bytes:
    """Return the statement of a name, such as `claim.claim_due`, for a database with `features`.

    `schema` is the schema of the service's tables. A statement that names none of them needs none.
    """
    text = "\n".join(_kept(TEXTS[name], features))
    return (text if schema is None else placed(text, schema, percent="%%")).encode()


def placed(script: str, schema: str, percent: str = "%") -> str:
    """Return SQL with the service's schema before the service's tables.

    That is done after a keyword that a table follows, and at the placeholder `service_schema.`,
    within a text too. The text `'service_schema'` becomes the quoted name of the schema. `percent`
    is how SQL that takes parameters writes a percent sign.
    """
    name = sql.Identifier(schema).as_string().replace("%", percent)
    inside = name.replace("'", "''")

    def place(found: re.Match[str]) -> str:
        if found["comment"]:
            return found["comment"]
        if found["text"]:
            text = found["text"].replace("service_schema.", f"{inside}.")
            return f"'{inside}'" if text == "'service_schema'" else text
        return f"{found['before'] or ''}{name}.{found['table'] or ''}"

    return _NAMED.sub(place, script)


def written(name: str, /, **values: Any) -> str:
    """Return a statement with its values written out, to be read, pasted, or printed."""
    lines = load(name).decode().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    if not values:  # percent signs are doubled only where there are parameters
        return text
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
