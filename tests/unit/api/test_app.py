"""The page of the HTTP interface says what the OpenAPI document says."""

from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from resumer_daemon.api.app import Health, build_app
from resumer_daemon.api.auth import Credentials, Proxies
from resumer_daemon.api.dependencies import ApiContext
from resumer_daemon.store.session import Database, Pool
from resumer_daemon.telemetry.metrics import Metrics
from tests.unit.documents import ROOT, between, rows


@pytest.fixture
async def app() -> FastAPI:
    sessions = Pool(Database(""), 1)
    doors = ApiContext(
        sessions, Credentials(sessions, None), legacy=False, rate=1.0, proxies=Proxies(())
    )
    return build_app(
        Health(lambda: True, CollectorRegistry(), nothing), doors, Metrics().http_requests
    )


async def nothing() -> None:
    """Nothing is read for these tests."""


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    paths = app.openapi()["paths"]
    return [(method.upper(), path, o) for path in paths for method, o in paths[path].items()]


async def test_the_page_lists_every_endpoint_with_its_permission(app: FastAPI):
    expected = [
        [f"{method} {path}", *operation["security"][0]["HTTPBearer"], operation["description"]]
        for method, path, operation in operations(app)
    ]
    listed = rows(between(ROOT / "docs" / "http-api.md", "endpoints"))
    assert listed == expected


async def test_every_refusal_of_every_endpoint_has_the_one_form(app: FastAPI):
    for _, path, operation in operations(app):
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
        assert {"401", "403", "422", "429", "503"} <= operation["responses"].keys()


async def test_it_is_a_document_of_openapi_3_1_with_short_names(app: FastAPI):
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in operations(app)]
    assert sorted(names) == sorted(set(names))
    assert {"pause", "resume", "cancel", "retry", "explain"} <= set(names)


@pytest.mark.parametrize(
    ("healthy", "waits", "words"),
    [
        (True, False, None),
        (False, False, "the database does not respond"),
        (False, True, "the database is not migrated: run `resumer-daemon migrate up`"),
    ],
)
async def test_the_reason_of_a_process_that_is_not_ready(healthy, waits, words):
    health = Health(lambda: healthy, CollectorRegistry(), nothing, awaits_migration=lambda: waits)
    assert await health.fault() == words
