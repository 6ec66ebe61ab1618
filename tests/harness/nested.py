"""Plans of the statements inside of functions and triggers, as `auto_explain` reports them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic

SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}
_COST = re.compile(r"  \(cost=[\d.]+\.\.([\d.]+) ")
_SCAN = re.compile(r"(Seq Scan|Index Scan|Index Only Scan|Bitmap Heap Scan|Tid Scan).* on (\w+)")
_JOIN = re.compile(r"(Nested Loop|(?:Hash|Merge)(?: \w+)? Join)")


@dataclass(slots=True)
class Plans:
    """Each statement that was run while they were collected, with its plan."""

    texts: list[str] = field(default_factory=list)

    def heard(self, said: Diagnostic) -> None:
        """Keep what `auto_explain` reports."""
        _, found, text = (said.message_primary or "").partition("plan:\nQuery Text:")
        if found:
            self.texts.append(text)

    @property
    def costs(self) -> list[float]:
        """The whole cost of each: from `jit_above_cost` on the server compiles it first."""
        return [float(found[1]) for text in self.texts if (found := _COST.search(text))]

    @property
    def joins(self) -> set[str]:
        """The joins of all of them."""
        return {join for text in self.texts for join in _JOIN.findall(text)}

    def scans(self, table: str) -> set[str]:
        """Return how a table was read."""
        found = (pair for text in self.texts for pair in _SCAN.findall(text))
        return {scan for scan, of in found if of == table}


@contextmanager
def nested(connection: psycopg.Connection[Any]) -> Iterator[Plans]:
    """Collect the plans of a superuser's session for as long as the block lasts."""
    plans = Plans()
    connection.execute("LOAD 'auto_explain'")
    for name, value in SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    connection.add_notice_handler(plans.heard)
    try:
        yield plans
    finally:
        connection.remove_notice_handler(plans.heard)
        for name in SETTINGS:
            reset = sql.SQL("RESET {}.{}" if "." in name else "RESET {}")
            connection.execute(reset.format(*map(sql.Identifier, name.split("."))))
