"""The server's plans of prepared statements, and of those inside functions and triggers."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from resumer_daemon.store.session import Session
from resumer_daemon.store.statements import TEXTS, load

Parameters = Mapping[str, object]

IMPOSED = (
    "join_collapse_limit = 1",
    "from_collapse_limit = 1",
    "geqo = on",
    "geqo_threshold = 2",
    "max_parallel_workers_per_gather = 8",
    "min_parallel_table_scan_size = 0",
    "min_parallel_index_scan_size = 0",
    "parallel_setup_cost = 0",
    "parallel_tuple_cost = 0",
)
"""Settings of the planner that a role or a database may impose, and that we leave as they are."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look into a table: how, through which index, and at how many rows or entries."""

    node: str
    table: str
    rows: int


async def run(session: Session, name: str, parameters: Parameters, *, times: int) -> None:
    """Run a statement as the daemon does."""
    async with session.transaction():
        for _ in range(times):
            await session.run(name, parameters)


def prepare(session: Session, name: str) -> None:
    """Have a statement prepared without running it."""
    text, _ = numbered(session.text(name))
    result = session.connection.pgconn.prepare(name.encode(), text)
    assert result.status == ExecStatus.COMMAND_OK, result.error_message


def looks(session: Session, name: str, parameters: Parameters) -> list[Look]:
    """Run a statement as the session has prepared it, undo it, and return where it looked.

    Raises:
        AssertionError: It was not prepared, or took longer than the daemon would wait.
    """
    plans = _explained(session, name, parameters, "ANALYZE, TIMING OFF, SUMMARY OFF")
    return [look for plan in plans for look in looks_of(plan["Plan"])]


def buffers(session: Session, name: str, parameters: Parameters) -> int:
    """Run a statement as `looks` does, and return how many buffers it touched.

    Raises:
        AssertionError: It was not prepared, or took longer than the daemon would wait.
    """
    plans = _explained(session, name, parameters, "ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF")
    return sum(plan["Plan"][f"Shared {how} Blocks"] for plan in plans for how in ("Hit", "Read"))


def _explained(session: Session, name: str, parameters: Parameters, options: str) -> list[Any]:
    text, names = numbered(session.text(name))
    ask = partial(_answer, session.connection.pgconn)
    try:
        ask("BEGIN")
        settings = {
            "row_security": "'off'",
            "local": "true",
        }
        for statement in ("connection.apply_settings", "session.apply_settings"):
            ask(load(statement).decode() % settings)
        ask("SET LOCAL statement_timeout = '5s'")
        for setting in IMPOSED:
            ask(f"SET LOCAL {setting}")
        ask(f"SET LOCAL resumer.claimed = {_literal(parameters.get('claimed', '{}'))}")
        prepared = ask(
            f"SELECT name FROM pg_prepared_statements WHERE statement = {_literal(text.decode())}"
        )
        given = ", ".join(_literal(parameters[n]) for n in names)
        execute = f'EXECUTE "{prepared}"' + (f"({given})" if names else "")
        answer = ask(f"EXPLAIN ({options}, FORMAT JSON) {execute}")
    finally:
        ask("ROLLBACK")
    plans: list[Any] = json.loads(answer)
    return plans


def _literal(value: object) -> str:
    return sql.Literal(value).as_string()


def _answer(server: PGconn, statement: str) -> str:
    """Ask without psycopg, which forgets what it has prepared when it sees a ROLLBACK."""
    result = server.exec_(statement.encode())
    assert result.status in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}, result.error_message
    assert result.status == ExecStatus.COMMAND_OK or result.ntuples == 1, statement
    return (result.get_value(0, 0) or b"").decode() if result.ntuples else ""


def looks_of(node: Mapping[str, Any], above: str = "") -> Iterator[Look]:
    """Yield where a plan has looked."""
    table = node.get("Relation Name", above)
    if "Scan" in node["Node Type"] and table:
        index = node.get("Index Name")
        how = node["Node Type"] + (f" of {index}" if index else "")
        seen = node["Actual Rows"] + sum(
            node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck")
        )
        yield Look(how, table, round(seen * node["Actual Loops"]))
    for child in node.get("Plans", ()):
        yield from looks_of(child, table if node["Node Type"] == "Bitmap Heap Scan" else "")


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
