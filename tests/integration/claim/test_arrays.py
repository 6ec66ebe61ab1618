"""Array literals come back from PostgreSQL as the values that went in."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumer_daemon.store.arrays import array
from tests.harness import Database

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def back(connection: psycopg.Connection[Any], column: list[Any], kind: str) -> list[Any]:
    row = connection.execute(f"SELECT %s::{kind}[]".encode(), [array(column)]).fetchone()
    assert row is not None
    return list(row[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(column=st.lists(TEXTS) | st.lists(TEXTS | st.none()))
def test_any_texts(connection: psycopg.Connection[Any], column: list[str | None]):
    assert back(connection, column, "text") == column


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([], "text"),
        ([None, None], "jsonb"),
        ([1, -(2**62)], "bigint"),
        ([True, False], "boolean"),
        ([0.5, 1e300], "float8"),
        ([1, None, 2.5], "float8"),
        ([UUID(int=0), uuid4()], "uuid"),
        ([uuid4(), None], "uuid"),
        (["NULL", "null", "", " ", "{}", '"', "\\", '\\"', ","], "text"),
    ],
)
def test_every_type_that_is_written(
    connection: psycopg.Connection[Any], column: list[Any], kind: str
):
    assert back(connection, column, kind) == column


@pytest.mark.parametrize("column", [["a\0b"], ["a", "b\0"], ["\0", None]])
def test_a_nul_is_refused_and_never_divides_a_text(
    connection: psycopg.Connection[Any], column: list[str | None]
):
    with pytest.raises(psycopg.DataError):
        back(connection, column, "text")
