"""Draw docs/lag.svg: a daemon under load and gone for a while, as a real Prometheus has seen it.

    .venv/bin/python -m pip install --target build/picture matplotlib
    PYTHONPATH=.:build/picture .venv/bin/python docs/picture.py

Nothing else needs matplotlib, so it is in no lock.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import yaml
from matplotlib import pyplot

from tests.harness import Database, eventually_sync
from tests.harness.database import Databases
from tests.harness.monitoring import Watching, watching
from tests.harness.running import process
from tests.harness.server import running_server
from tests.harness.service import Service, allow, ask

HERE = Path(__file__).parent
BEFORE, AWAY, AFTER = 40, 20, 40  # seconds
PACE = 0.05
LATENCY = "sum by (le) (rate(resumer_resume_latency_seconds_bucket{trigger='approval'}[10s]))"
PANELS = {
    "Age of the oldest open request (s)": {
        "oldest": "max(resumer_oldest_open_request_age_seconds)",
    },
    "Approvals resumed per second": {
        "resumed": "sum(rate(resumer_resumes_total{trigger='approval'}[10s]))",
    },
    "Decision to next durable state (ms)": {
        "p50": f"1000 * histogram_quantile(0.5, {LATENCY})",
        "p99": f"1000 * histogram_quantile(0.99, {LATENCY})",
    },
}


def main() -> None:
    """Play, ask and draw."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        database = Databases(server, "picture").make("empty", migrated=True)
        began, marks, watch = _play(stack, database, folder)
        _draw(watch, began, marks)


def _play(stack: ExitStack, database: Database, folder: Path) -> tuple[float, Any, Watching]:
    service = Service(database)
    service.workflow(ask(), allow())
    exporter = stack.enter_context(process(database, folder / "exporter", command="exporter"))
    eventually_sync(exporter.ready)
    with process(database, folder / "first") as daemon:
        eventually_sync(daemon.ready)
        address = daemon.address.removeprefix("http://")
        targets = {"resumer": [address], "exporter": [exporter.address.removeprefix("http://")]}
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": []}))
        watch = stack.enter_context(watching(folder, targets, folder / "rules.yml"))
        stop = Event()
        load = stack.enter_context(ThreadPoolExecutor(1)).submit(_load, service, stop)
        stack.callback(stop.set)
        time.sleep(5)
        began = time.time()
        time.sleep(BEFORE)
    gone = time.time()
    time.sleep(AWAY)
    again = stack.enter_context(process(database, folder / "second", http_port=address[-5:]))
    eventually_sync(again.ready)
    back = time.time()
    time.sleep(AFTER)
    stop.set()
    load.result()
    return began, (gone, back), watch


def _load(service: Service, stop: Event) -> None:
    """Start executions, and decide half of them: so there is something to decide at any time."""
    with service.database.connect() as connection:
        while not stop.wait(PACE):
            connection.execute("SELECT resumer.start('flow', '{}') FROM generate_series(1, 2)")
            connection.execute(
                "UPDATE approval_requests SET status = 'approved' WHERE id IN"
                " (SELECT id FROM approval_requests WHERE status = 'pending' LIMIT 1)"
            )


def _draw(watch: Watching, began: float, marks: tuple[float, float]) -> None:
    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "resumer", "axes.grid": True})
    figure, axes = pyplot.subplots(len(PANELS), 1, figsize=(8, 6), sharex=True)
    for place, (title, lines) in zip(axes, PANELS.items(), strict=True):
        for name, expression in lines.items():
            found = watch.get(
                "query_range", query=expression, start=began, end=time.time(), step=1
            )["result"]
            values = {float(at): float(value) for at, value in found[0]["values"]}
            moments = [began + second for second in range(int(time.time() - began))]
            seen = [_near(values, moment) for moment in moments]
            place.plot([m - began for m in moments], seen, label=name, linewidth=1.2)
        place.axvspan(*(mark - began for mark in marks), color="tab:red", alpha=0.1)
        place.set_title(title, loc="left", fontsize=9)
        if len(lines) > 1:
            place.legend(loc="upper left")
            place.set_yscale("log")
        else:
            place.set_ylim(bottom=0)
    axes[-1].set_xlabel("seconds; no daemon runs in the red part")
    figure.tight_layout()
    figure.savefig(HERE / "lag.svg", metadata={"Date": None})


def _near(values: dict[float, float], moment: float) -> float:
    """Return what was seen then; where nothing was, no line is to be drawn."""
    return next((value for at, value in values.items() if abs(at - moment) < 0.5), float("nan"))


if __name__ == "__main__":
    main()
