"""Which PostgreSQL the tests run on: the one that is given, else Docker's, else our own."""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Literal, assert_never

import psycopg
import pytest

from resumer_daemon.embedded.server import EmbeddedPostgres

Kind = Literal["given", "docker", "embedded"]

IMAGE = "postgres:18-alpine"
_CONTAINER = ["postgres", "-c", "fsync=off", "-c", "max_connections=200"]


@cache
def chosen() -> Kind:
    """Choose, once a run. A given server has no fallback: no answer from it is an error."""
    if given():
        return "given"
    return "docker" if _docker_answers() else "embedded"


def given() -> str | None:
    return os.environ.get("RESUMER_TEST_DATABASE_URL") or None


def binaries() -> Path | None:
    folder = os.environ.get("RESUMER_PG_BIN")
    return Path(folder) if folder else None


def described() -> str:
    """Say for the head of the report which one it is."""
    match chosen():
        case "given":
            return "the server of RESUMER_TEST_DATABASE_URL"
        case "docker":
            return f"a container of {IMAGE}"
        case "embedded":
            return "embedded"
        case other:
            assert_never(other)


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the address of the server's own database, as a superuser who may create others."""
    match chosen():
        case "given":
            yield _answering(given() or "")
        case "docker":
            from testcontainers.community.postgres import PostgresContainer

            with PostgresContainer(IMAGE, driver=None).with_command(_CONTAINER) as container:
                yield container.get_connection_url()
        case "embedded":
            with EmbeddedPostgres(binaries=binaries()) as server:
                yield server.url()
        case other:
            assert_never(other)


def _answering(url: str) -> str:
    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.Error as error:
        pytest.exit(f"RESUMER_TEST_DATABASE_URL: {str(error).strip()}", returncode=4)
    return url


def _docker_answers() -> bool:
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        # The client leaks its socket when nobody answers; collected here, it is not found later.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env(timeout=5)) as client:
                return bool(client.ping())
        except (DockerException, OSError):
            return False
        finally:
            gc.collect()
