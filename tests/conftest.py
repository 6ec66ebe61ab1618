"""Fixtures for all tests: a server for the run, a fresh database for the test."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from secrets import token_hex

import pytest
import structlog
from hypothesis import settings

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness import Database, Vintage, pooler
from tests.harness.database import Databases
from tests.harness.inbox import Ear, Writer, a_writer, listening
from tests.harness.server import binaries, described, running_server
from tests.harness.service import Rows

_SERVER = pytest.StashKey[str]()


def pytest_configure() -> None:
    """Let tables of commands be as wide on every machine; read when their console is made.

    And let a daemon of this process not log into what a command beside it prints.
    """
    os.environ["COLUMNS"] = "160"
    settings.register_profile("untimed", deadline=None)  # a slow machine is no fault
    settings.load_profile("untimed")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stdout__))


def pytest_report_header() -> str:
    """Say which PostgreSQL it is."""
    way = "through pgbouncer, with the rights of resumer_daemon" if pooler.asked() else "directly"
    return f"PostgreSQL: {described()}; daemons connect {way}"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Start one server for all workers of pytest-xdist, and hand them its address."""
    node.workerinput["server"] = _server_of(node.config)


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> str:
    """The address of a server where a superuser may create databases."""
    given = getattr(pytestconfig, "workerinput", None)
    return given["server"] if given else _server_of(pytestconfig)


def _server_of(config: pytest.Config) -> str:
    if _SERVER not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_SERVER] = stack.enter_context(running_server())
    return config.stash[_SERVER]


@pytest.fixture(scope="session")
def databases(server: str) -> Iterator[Databases]:
    made = Databases(server, f"resumer_test_{token_hex(4)}")
    yield made
    made.close()


@pytest.fixture
def vintage() -> Vintage:
    """The service's tables in `database`; `@every_vintage` runs a test on each."""
    return "empty"


@pytest.fixture
def database(databases: Databases, vintage: Vintage) -> Iterator[Database]:
    """A fresh database of this test alone, migrated."""
    with databases.fresh(vintage, migrated=True) as made:
        yield made


@pytest.fixture
def unmigrated(databases: Databases, vintage: Vintage) -> Iterator[Database]:
    """A fresh database of this test alone, before the first migration."""
    with databases.fresh(vintage, migrated=False) as made:
        yield made


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server of this test alone, to stop, kill and restart."""
    with EmbeddedPostgres(binaries=binaries()) as server:
        yield server


@pytest.fixture
def own_database(own_server: EmbeddedPostgres, vintage: Vintage) -> Database:
    """A migrated database on `own_server`."""
    return Databases(own_server.url(), "own").make(vintage, migrated=True)


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
