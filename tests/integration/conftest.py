"""Fixtures of the tests that look at the database alone."""

from collections.abc import Iterator

import pytest

from tests.harness import Database
from tests.harness.inbox import Ear, Writer, a_writer, listening
from tests.harness.rows import Rows


@pytest.fixture
def rows(database: Database) -> Rows:
    """Rows of the service in `database`."""
    return Rows.of(database)


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    """A program that may write the service's tables and has no right on ours."""
    with a_writer(database) as made:
        yield made


@pytest.fixture
def ear(database: Database) -> Iterator[Ear]:
    """Hears what the daemon would."""
    with listening(database) as made:
        yield made
