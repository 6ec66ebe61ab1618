"""The statements of `sql/`: the server accepts each, each states its intent and has one user."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus

from resumer_daemon.store import service_schema
from resumer_daemon.store.connection import connect
from resumer_daemon.store.statements import OPTIONAL, OWN_PATH, TEXTS, load, split
from tests.harness import Database, every_vintage
from tests.harness.plans import NAMES, numbered

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "resumer_daemon"
MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")
}

# remedies and names of locks: printed for a person, never run
PRINTED = (
    "cli/hints.py",
    "store/doctor/",
    "store/migration_locks.py",
    "store/migration_plan.py",
    "store/service_schema.py",
)

KEYWORD = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|WITH|CREATE|ALTER|DROP|TRUNCATE|LOCK"
    r"|SET|RESET|LISTEN|UNLISTEN|NOTIFY|BEGIN|COMMIT|ROLLBACK|VACUUM|ANALYZE|CALL|COPY)\s"
)

PLANNED = re.compile(r"^(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.MULTILINE)

each_statement = pytest.mark.parametrize("name", NAMES)


@every_vintage
async def test_the_server_can_prepare_and_plan_each_statement(database: Database):
    async with await connect(database.url) as connection:
        features = await service_schema.probe(connection, "public")
    settings = (
        "-c plan_cache_mode=force_generic_plan -c resumer.claimed={} -c resumer.holds={}"
        f" -c search_path={OWN_PATH.replace(' ', '')}"
    )
    with database.connect(options=settings) as session:
        refused = {
            name: text
            for name in NAMES
            if (text := _refusal(session, name, load(name, features, "public")))
        }
    assert refused == {}


def _refusal(session: psycopg.Connection[Any], name: str, query: bytes) -> str:
    text, parameters = numbered(query)
    answer = session.pgconn.prepare(name.encode(), text)
    if answer.status != ExecStatus.COMMAND_OK or not PLANNED.search(text.decode()):
        return answer.error_message.decode()
    nothing = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
    try:
        session.execute(f'EXPLAIN EXECUTE "{name}"{nothing}')
    except psycopg.Error as error:
        return str(error)
    return ""


@each_statement
def test_each_statement_begins_with_its_intent(name: str):
    intent = list(takewhile(lambda line: line.startswith("--"), TEXTS[name].splitlines()))
    comment = " ".join(line.removeprefix("--").strip() for line in intent)
    assert re.match(r"[A-Z`].{10,}[.]", comment), comment


@each_statement
def test_each_part_is_one_statement(name: str):
    text = "\n".join(_without_texts(name))
    assert ";" not in re.sub(r"(?s)\$do\$.*\$do\$", "$$", text)


def test_a_name_that_stands_twice_is_an_error():
    with pytest.raises(ValueError, match=r"x\.a"):
        split("x", "-- name: a\nSELECT 1\n\n-- name: b\nSELECT 2\n\n-- name: a\nSELECT 3\n")


def test_a_part_keeps_its_text():
    text = "-- Of the file.\n\n-- name: a\n-- Intent.\nSELECT 1 --? x\n\n-- name: b\nSELECT 2\n"
    assert split("x", text) == {"x.a": "-- Intent.\nSELECT 1 --? x", "x.b": "SELECT 2"}


@each_statement
def test_no_placeholder_is_inside_a_text(name: str):
    """There it would be a part of the text: `interval '%(seconds)s seconds'` is 3 seconds."""
    inside = [text for text in re.findall(r"'[^']*'", "\n".join(_code(name))) if "%(" in text]
    assert inside == []


@each_statement
def test_each_optional_line_names_something_that_is_probed(name: str):
    known = {*service_schema.OPTIONAL, *(f"no_{feature}" for feature in service_schema.OPTIONAL)}
    lines = TEXTS[name].splitlines()
    named = {found["feature"] for line in lines if (found := OPTIONAL.match(line))}
    assert named <= known
    assert not [line for line in lines if "--?" in line and not OPTIONAL.match(line)]


def test_each_statement_is_named_once_and_in_the_modules_of_its_topic():
    """`migrate.set_adopt_blocked` is run, and also printed for a person to run."""
    places: dict[str, list[str]] = defaultdict(list)
    for module, tree in MODULES.items():
        for text in _texts(tree):
            if text.value in TEXTS:
                places[str(text.value)].append(module)
    printed_too = {"migrate.set_adopt_blocked"}
    assert {n: places[n] for n in TEXTS if len(places[n]) != 1 + (n in printed_too)} == {}
    assert {n: found for n, found in places.items() if not set(found) <= _modules_of(n)} == {}


def _modules_of(name: str) -> set[str]:
    """Return the modules that may run a statement: those that the head of its file lists."""
    topic, _, _ = name.partition(".")
    _, by = (ROOT / "sql" / f"{topic}.sql").read_text().splitlines()[:2]
    return {
        str(path.relative_to(PACKAGE))
        for pattern in re.findall(r"store/[\w/*]+\.py", by)
        for path in PACKAGE.glob(pattern)
    }


def test_no_sql_is_written_outside_its_folder():
    found = {
        f"{module}:{text.lineno}": text.value
        for module, tree in MODULES.items()
        if not module.startswith(PRINTED)
        for text in _texts(tree)
        if KEYWORD.match(_as_text(text.value))
    }
    assert found == {}


def _code(name: str) -> Iterator[str]:
    """Yield the lines without comments."""
    for line in TEXTS[name].splitlines():
        yield line.partition("--")[0]


def _without_texts(name: str) -> list[str]:
    return [re.sub(r"'[^']*'", "''", line) for line in _code(name)]


def _texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield what is text in a module, docstrings left out."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documents:
            yield node


def _as_text(value: object) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value.decode(errors="replace")
        case _:
            return ""
