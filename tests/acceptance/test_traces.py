"""One trace from the decision to its webhook, sent to a collector after the commit."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.request import Request, urlopen
from uuid import UUID

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.harness import Database, eventually_sync
from tests.harness.monitoring import Collector, collecting
from tests.harness.receiver import Receiver, answering, receiver
from tests.harness.running import Running, environment, running
from tests.harness.service import Service, allow, ask

T = TypeVar("T")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ABOVE = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{ABOVE}-01"
CANARY = "the canary that no trace may hold"


@pytest.fixture
def service(database: Database) -> Service:
    return Service(database)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def traced(database: Database, collector: Collector):
    return running(database, otlp_endpoint=collector.url, http_allow="localhost")


def sends(service: Service, here: Receiver, **headers: str) -> None:
    act = {"type": "webhook", "url": here.url(), "body": {"note": CANARY}, "headers": headers}
    service.workflow(
        ask(on_true="send"),
        {"id": "send", "type": "execute", "execute": [act], "next": "release"},
        allow(),
    )


def ids(span: Span) -> tuple[str, str, str]:
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def approved(service: Service, parent: str | None = PARENT) -> UUID:
    """Pause an execution and approve it as a page that sends a trace context."""
    execution = service.paused(payload={"note": CANARY})
    [request] = service.asked(execution)
    if parent is not None:
        service.database.run(
            "ALTER TABLE approval_requests ADD COLUMN IF NOT EXISTS metadata jsonb"
        )
        service.database.run(
            "UPDATE approval_requests SET metadata = jsonb_build_object('traceparent', %s::text)",
            parent,
        )
    service.decide(request, "approved", reason=CANARY)
    service.ended(execution)
    return execution


async def test_trace_continues_from_approval_to_receiver(
    service: Service, database: Database, collector: Collector
):
    database.run("ALTER TABLE approval_requests ADD COLUMN metadata jsonb")
    async with receiver(answering("ok")) as here:
        sends(service, here)

        def play() -> None:
            with traced(database, collector):
                approved(service)

        await beside(play)
        [sent] = here.requests
    of_trace = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    named = {span.name: span for span in of_trace}
    move, webhook = named["resume"], named["webhook"]
    assert ids(move) == (TRACE, move.span_id.hex(), ABOVE)
    assert webhook.parent_span_id == move.span_id
    assert sent.headers["traceparent"] == f"00-{TRACE}-{webhook.span_id.hex()}-01"
    for part in ("claim", "advance", "record"):
        assert named[part].parent_span_id == move.span_id
        assert named[part].start_time_unix_nano <= named[part].end_time_unix_nano
    assert move.start_time_unix_nano == named["claim"].start_time_unix_nano
    assert move.end_time_unix_nano == named["record"].end_time_unix_nano
    assert CANARY not in collector.said()


async def test_decision_without_traceparent_begins_a_trace(
    service: Service, database: Database, collector: Collector
):
    async with receiver(answering("ok")) as here:
        sends(service, here, traceparent=PARENT)

        def play() -> None:
            with traced(database, collector):
                approved(service, parent=None)

        await beside(play)
        assert here.requests[0].headers["traceparent"] == PARENT  # the definition has its say
    start, move = collector.named("resume")
    assert start.trace_id != move.trace_id
    assert not move.parent_span_id
    steps = [span for span in collector.spans if span.name == "step action"]
    assert [span.trace_id for span in steps] == [start.trace_id]


def test_start_and_manual_resume_continue_the_trace_of_the_payload(
    service: Service, database: Database, collector: Collector
):
    service.workflow(ask(), allow())
    with traced(database, collector):
        service.paused(payload={"traceparent": PARENT})
    [move] = collector.named("resume")
    assert ids(move)[0::2] == (TRACE, ABOVE)


@pytest.mark.parametrize("odd", ["", "00-xyz-1-01", "ff" * 40, "é", 7, ["00"], {"a": "b"}])
def test_invalid_traceparent_begins_a_trace(
    service: Service, database: Database, collector: Collector, odd: object
):
    service.workflow(allow())
    with traced(database, collector):
        service.ended(service.start(payload={"traceparent": odd}))
    [move] = collector.named("resume")
    assert not move.parent_span_id


def test_latency_exemplar_names_its_trace(
    service: Service, database: Database, collector: Collector
):
    service.workflow(ask(), allow())
    with traced(database, collector) as daemon:
        service.paused(payload={"traceparent": PARENT})
        eventually_sync(lambda: f'# {{trace_id="{TRACE}"}}' in openmetrics(daemon))


def openmetrics(daemon: Running) -> str:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    with urlopen(Request(f"{daemon.address}/metrics", headers=accept), timeout=10) as answer:  # noqa: S310
        return str(answer.read(), "utf-8")


def test_unreachable_collector_changes_nothing(service: Service, database: Database):
    service.workflow(ask(), allow())
    with running(database, otlp_endpoint="http://127.0.0.1:9") as daemon:
        approved(service, parent=None)
        eventually_sync(lambda: daemon.metric("resumer_resumes_total", trigger="approval") == 1)


def test_opentelemetry_is_not_imported_without_the_setting():
    code = (
        "import sys; from resumer_daemon.config import load_settings as load;"
        "from resumer_daemon.daemon.daemon import Daemon;"
        "Daemon(load(database_url='postgresql://nobody.invalid/x', http_port=0));"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_otlp_endpoint_is_refused_without_the_extra():
    code = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None;"  # as if it were not installed
        "from resumer_daemon.__main__ import main; sys.argv = ['resumer-daemon', 'run']; main()"
    )
    settings = environment("postgresql://nobody.invalid/x", otlp_endpoint="http://127.0.0.1:9")
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, check=False
    )
    assert ran.returncode == 2
    assert "RESUMER_OTLP_ENDPOINT" in ran.stderr
    assert "otel" in ran.stderr
