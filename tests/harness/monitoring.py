"""A real Prometheus, Alertmanager and collector of traces beside daemons, and what they receive."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.harness.eventually import eventually_sync
from tests.harness.tools import tool
from tests.unit.documents import metrics_table, rows

ATTEMPTS = 5
SECOND = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}


@dataclass
class Watching:
    """Where Prometheus listens, and the alerts that have reached somebody: name and status."""

    prometheus: str = ""
    reached: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression as it is now."""
        return list(self.get("query", query=expression)["result"])

    def get(self, what: str, **arguments: object) -> dict[str, Any]:
        """Ask its HTTP interface."""
        url = f"{self.prometheus}/api/v1/{what}?{urlencode(arguments)}"
        with urlopen(url, timeout=10) as answer:  # noqa: S310
            return dict(json.load(answer)["data"])


@contextmanager
def watching(folder: Path, targets: Mapping[str, Sequence[str]], rules: Path) -> Iterator[Watching]:
    """Scrape these targets, by job, every second; what the rules alert on reaches a webhook."""
    made = Watching()
    with ExitStack() as stack:
        told = stack.enter_context(_hook(made))
        receiver = {"name": "person", "webhook_configs": [{"url": told, "send_resolved": True}]}
        route = {"receiver": "person", "group_wait": "0s", "group_interval": "1s"}
        manager = stack.enter_context(
            _server(
                folder / "alertmanager",
                "prometheus-alertmanager",
                {"route": route, "receivers": [receiver]},
                "--cluster.listen-address=",
                f"--storage.path={folder / 'alertmanager' / 'data'}",
            )
        )
        scraped = [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in targets.items()
        ]
        alerting = {"alertmanagers": [{"static_configs": [{"targets": [_address(manager)]}]}]}
        made.prometheus = stack.enter_context(
            _server(
                folder / "prometheus",
                "prometheus",
                {
                    "global": SECOND,
                    "rule_files": [str(rules)],
                    "scrape_configs": scraped,
                    "alerting": alerting,
                },
                f"--storage.tsdb.path={folder / 'prometheus' / 'data'}",
                "--enable-feature=exemplar-storage",
            )
        )
        yield made


def _address(url: str) -> str:
    return url.removeprefix("http://")


@contextmanager
def _server(
    folder: Path, program: str, configuration: dict[str, Any], *arguments: str
) -> Iterator[str]:
    """Run one of the two until it is ready; another port, should somebody have taken its port."""
    folder.mkdir()
    written = folder / "configuration.yml"
    written.write_text(yaml.safe_dump(configuration))
    for _ in range(ATTEMPTS):
        url = f"http://127.0.0.1:{_free_port()}"
        command = [
            tool(program),
            f"--config.file={written}",
            f"--web.listen-address={_address(url)}",
            *arguments,
        ]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            if _started(process, url):
                yield url
                return
        finally:
            process.terminate()
            process.wait()
    raise AssertionError(f"{program} does not start:\n{(folder / 'log').read_text()}")


def _started(process: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until it is ready, or has ended."""
    eventually_sync(lambda: _ready(url) or process.poll() is not None, of=f"{url} is ready")
    return process.poll() is None


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _hook(made: Watching) -> Iterator[str]:
    """Run the person's end of an Alertmanager."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.reached += [(a["labels"]["alertname"], a["status"]) for a in said["alerts"]]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Collector:
    """Where it listens, and what came."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str) -> list[Span]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name]

    def said(self) -> str:
        """Return all that came, as text."""
        return "\n".join(map(str, self.spans))


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for as long as the block lasts."""
    here = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = decompress(body)
            sent = ExportTraceServiceRequest.FromString(body)
            for resource in sent.resource_spans:
                for scope in resource.scope_spans:
                    here.spans.extend(scope.spans)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SUFFIXES = ("_bucket", "_sum", "_count")


def exported() -> set[str]:
    """Return the name of every series, as Prometheus knows them."""
    names = {row[0] for row in rows(metrics_table())}
    return names | {f"{name}{suffix}" for name in names for suffix in SUFFIXES}


def used(expression: str) -> set[str]:
    """Return the names of our metrics in an expression of PromQL."""
    return set(re.findall(r"\b(?:resumer|process)_\w+", expression))
