"""The migrations of this version: files `NAME.up.sql` and `NAME.down.sql` of `migrations/`.

Numbered migrations hold tables, columns, domains and indexes. Each is applied once and never
changes after a release. Repeatable migrations hold functions, views and triggers. Each is applied
again when its text changes, so that a corrected function needs no new number.

They are read at import, like the statements.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

from resumer_daemon.store.statements import placed

COMMENTS: Final = "comments"

CODE: Final = (
    "functions/text",
    "functions/service",
    "functions/notify",
    "functions/match_events",
    "functions/capture_decisions",
    "functions/guard_decisions",
    "functions/capture_executions",
    "functions/capture_events",
    "functions/decide",
    "functions/start",
    "functions/emit",
    "functions/executions",
    "functions/pauses",
    "functions/holds",
    "functions/move",
    "functions/outbox",
    "functions/records",
    "functions/sequences",
    "functions/status",
    "functions/explain",
    "views",
    COMMENTS,
)
"""Functions and views, in the order in which they need each other. One transaction applies them."""

TRIGGERS: Final = (
    "triggers/approval_requests",
    "triggers/workflow_executions",
    "triggers/events",
)
"""The triggers, one file for each table of the service, each applied in its own transaction."""

SCHEMA: Final = "0001_schema"
SERVICE_TABLES: Final = "0002_service_tables"
PAUSE_COLUMNS: Final = "0003_pause_columns"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `number` orders numbered migrations and is None for others."""

    number: int | None
    name: str
    up: bytes
    down: bytes

    @property
    def binds(self) -> bool:
        """True if it creates triggers. It drops them first: PostgreSQL 13 cannot replace one."""
        return self.name in TRIGGERS

    @property
    def bound_table(self) -> str | None:
        """The table of the service whose triggers it creates."""
        return self.name.removeprefix("triggers/") if self.binds else None

    @property
    def of_the_service(self) -> bool:
        """True if it creates or alters tables of the service, which only their owner may."""
        return self.binds or self.name in (SERVICE_TABLES, PAUSE_COLUMNS)

    @property
    def shares_transaction(self) -> bool:
        """True if it is applied together with its neighbours, because they call each other."""
        return self.name in CODE

    @cache  # noqa: B019 - there are few, and they live as long as the program
    def script(self, schema: str) -> str:
        """Return the SQL that applies it where the service's tables are in `schema`."""
        text = self.down + self.up if self.binds else self.up
        return placed(text.decode(), schema)

    def undo(self, schema: str) -> str:
        """Return the SQL that removes what it applied."""
        return placed(self.down.decode(), schema)

    def sha256(self, schema: str) -> str:
        """Return the fingerprint by which a change is found.

        A numbered migration is compared as it is in its file. A repeatable one is compared with the
        schema written in, because it must be applied again when the service's tables move.
        """
        text = self.up if self.number is not None else self.script(schema).encode()
        return sha256(text).hexdigest()


def _read() -> list[Migration]:
    folder = files("resumer_daemon.migrations")
    numbered = sorted(
        f.name.removesuffix(".up.sql") for f in folder.iterdir() if f.name[:4].isdigit()
    )
    return [
        Migration(
            number=int(name[:4]) if name[:4].isdigit() else None,
            name=name,
            up=folder.joinpath(f"{name}.up.sql").read_bytes(),
            down=folder.joinpath(f"{name}.down.sql").read_bytes(),
        )
        for name in (*(n for n in numbered if not n.endswith(".down.sql")), *CODE, *TRIGGERS)
    ]


_ADDED = re.compile(r"\('(\w+)', '([^']+)'\)")
_CREATED = re.compile(
    r"^ *CREATE (?:OR REPLACE )?(?:UNIQUE )?"
    r"(?P<kind>SCHEMA|TABLE|DOMAIN|VIEW|FUNCTION|INDEX|TRIGGER)"
    r" (?:resumer\.)?(?P<name>\w+)(?: ON (?:resumer\.)?(?P<table>\w+))?",
    re.MULTILINE,
)

_FUNCTION = re.compile(
    r"^CREATE OR REPLACE FUNCTION resumer\.(?P<name>\w+)(?P<head>\(.*?)AS \$f\$(?P<body>.*?)\$f\$;",
    re.MULTILINE | re.DOTALL,
)
_ARGUMENTS = re.compile(r"\b(?:RETURNS|LANGUAGE)\b")
_SEARCH_PATH = re.compile(r"\bSET search_path = (\w+(?:, \w+)*)")

_KNOWN: Final = tuple(_read())


def added_columns() -> dict[str, str]:
    """Return what is added to `workflow_executions` where it is missing: names and types."""
    [adding] = [m for m in _KNOWN if m.name == PAUSE_COLUMNS]
    return dict(_ADDED.findall(adding.up.decode()))


@dataclass(frozen=True, slots=True)
class Created:
    """An object that a migration creates; `table` is that of an index."""

    kind: str
    name: str
    table: str | None


def created_by(migration: Migration) -> list[Created]:
    """Return what a migration creates, in the order of its text."""
    return [
        Created(found["kind"].lower(), found["name"], found["table"])
        for found in _CREATED.finditer(migration.up.decode())
    ]


class Function(NamedTuple):
    """A function of schema `resumer`, as far as a change of it is noticed."""

    name: str
    body: str
    definer: bool
    search_path: str | None


def functions_of(migration: Migration, schema: str) -> list[Function]:
    """Return the functions that a migration creates where the service's tables are in `schema`."""
    found: dict[tuple[str, str], Function] = {}
    for match in _FUNCTION.finditer(migration.script(schema)):
        name, head = match["name"], match["head"]
        path = _SEARCH_PATH.search(head)
        found[name, _ARGUMENTS.split(head)[0]] = Function(
            name, match["body"], "SECURITY DEFINER" in head, path[1] if path else None
        )
    return list(found.values())


def known() -> list[Migration]:
    """Return the migrations of this version in their order, the repeatable ones last."""
    return list(_KNOWN)
