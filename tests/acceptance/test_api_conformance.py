"""The OpenAPI document and the answers say the same: over a thousand requests, good and bad."""

import os
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.harness import Database, eventually_sync
from tests.harness.client import Holders
from tests.harness.running import running
from tests.harness.service import Service, allow, ask

EACH = 50  # requests of each operation and mode: 11 * 2 * 50 = 1,100
NOT_PAUSED = "SELECT count(*) FROM workflow_executions WHERE status <> 'paused'"
KEY = "Idempotency-Key"
WAIT = {"id": "wait", "type": "wait", "wait": {"event": "paid", "timeout": "1h"}, "next": "release"}

bounded = settings(
    max_examples=EACH,
    deadline=None,
    derandomize="RESUMER_TEST_SEED" not in os.environ,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def executions(database: Database) -> list[str]:
    service = Service(database)
    service.workflow(ask(), allow())
    service.workflow(WAIT, allow(), name="waits")
    return [str(service.start(name)) for name in ("flow", "waits") * 10]


def described(session: requests.Session, address: str) -> dict[str, Any]:
    """Return the document; each request has its bearer, so that none is generated."""
    document: dict[str, Any] = session.get(f"{address}/api/v1/openapi.json").json()
    del document["components"]["securitySchemes"]
    for path in document["paths"].values():
        for operation in path.values():
            del operation["security"]
    return document


def is_uuid(text: object) -> bool:
    try:
        return bool(UUID(str(text)))
    except ValueError:
        return False


# the daemon's pool draws the lifetime of a connection by `random`, in a thread of this process
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_many_requests_are_answered_as_the_document_says(
    database: Database, executions: list[str], mode: GenerationMode
):
    sent: Counter[int] = Counter()
    bearer = {"Authorization": f"Bearer {Holders.of(database).token()}"}
    with running(database, http_rate_limit=100_000) as daemon, requests.Session() as session:
        eventually_sync(lambda: database.run(NOT_PAUSED) == [(0,)])
        session.headers.update(bearer)
        schema = schemathesis.openapi.from_dict(described(session, daemon.address))

        @bounded
        @given(data=st.data())
        def conform(operation: Any, data: st.DataObject) -> None:
            case = data.draw(operation.as_strategy(generation_mode=mode))
            if is_uuid(case.path_parameters.get("id")) and data.draw(st.booleans()):
                case.path_parameters["id"] = data.draw(st.sampled_from(executions))
            if 0 < len(case.headers.get(KEY, "")) < 256:
                case.headers[KEY] = str(uuid4())  # none is used for two things
            sent[case.call_and_validate(daemon.address, session=session).status_code] += 1

        for operation in schema.get_all_operations():
            conform(operation.ok())  # type: ignore[union-attr]
    assert sum(sent.values()) >= 500
    assert not [status for status in sent if status >= 500]


def test_each_operation_succeeds_when_it_is_asked_for_as_the_document_says(database: Database):
    """The requests above may all be refused; these may not."""
    service = Service(database)
    service.workflow(ask(), allow())
    with running(database, http_rate_limit=100_000) as daemon, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {Holders.of(database).token()}"
        incident, paused = service.incident(), [service.paused() for _ in range(4)]
        good: dict[str, tuple[UUID | None, object]] = {
            "list_paused": (None, None),
            "read_ledger": (None, None),
            "read_status": (paused[0], None),
            "explain": (paused[0], None),
            "list_options": (paused[0], None),
            "pause": (paused[1], {"reason": "why"}),
            "resume": (
                paused[2],
                {"force": True, "reason": "why", "data": {"a": 1.5}, "pause_number": 1},
            ),
            "cancel": (paused[3], {}),
            "retry": (incident, {"from_step": "turn", "reason": "why"}),
            "hold": (None, {"workflow": "flow"}),
            "release": (None, {"workflow": "flow"}),
        }
        schema = schemathesis.openapi.from_dict(described(session, daemon.address))
        answered = {}
        for found in schema.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]
            name = operation.definition.raw["operationId"]
            execution, body = good[name]
            where = {} if execution is None else {"id": str(execution)}
            given: Any = {} if body is None else {"body": body, "media_type": "application/json"}
            case = operation.Case(path_parameters=where, **given)
            answered[name] = case.call_and_validate(daemon.address, session=session).status_code
    moves = ("pause", "resume", "cancel", "retry")
    assert answered == {name: 202 if name in moves else 200 for name in good}
