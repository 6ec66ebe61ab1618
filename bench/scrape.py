"""A scrape beside a million paused executions, with nothing in the cache, and with no database."""

import os
import subprocess
import sys
import time
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

import psycopg

from bench.report import Row
from bench.scale import OPEN, PAUSED, fill
from resumer_daemon.embedded.server import EmbeddedPostgres

PORT, ROUNDS, WARM = 9470, 5, 50
URL = f"http://127.0.0.1:{PORT}"


def measure(running: EmbeddedPostgres, url: str) -> list[Row]:
    """Measure the first scrape of some daemons, those that follow, and with the server away."""
    fill(url, OPEN, PAUSED)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    first, warm = [], []
    for number in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-m", "resumer_daemon", "run"], env=_settings(url)
        ) as daemon:
            _until_ready()
            first.append(_scrape("resumer_db_up 1.0"))
            warm += [_scrape("resumer_paused_executions") for _ in range(WARM)]
            if number == ROUNDS - 1:
                running.stop()
                away = [_scrape("resumer_db_up 0.0") for _ in range(WARM)]
            daemon.terminate()
    running.start()
    return [
        _row("scrape beside 1,000,000 paused, a daemon's first", median(first), 200),
        _row("the same, the slowest", max(first), 200),
        _row("scrape beside 1,000,000 paused, those after it", median(warm), 200),
        _row("the same, the slowest", max(warm), 200),
        _row("scrape, the database is away, the slowest", max(away), 1_000),
    ]


def _settings(url: str) -> dict[str, str]:
    return {**os.environ, "RESUMER_DATABASE_URL": url, "RESUMER_HTTP_PORT": str(PORT),
            "RESUMER_LOG_LEVEL": "error", "RESUMER_ALLOW_SUPERUSER": "true"}  # fmt: skip


def _until_ready() -> None:
    while True:
        try:
            with urlopen(f"{URL}/readyz", timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            time.sleep(0.05)


def _scrape(holds: str) -> float:
    began = time.perf_counter()
    with urlopen(f"{URL}/metrics", timeout=30) as answer:  # noqa: S310
        text = answer.read().decode()
    taken = (time.perf_counter() - began) * 1e3
    if holds not in text:
        raise RuntimeError(f"a scrape without {holds}")
    return taken


def _row(name: str, figure: float, target: float) -> Row:
    return Row(name, "ms", 0, figure, 0, target, "<=", absolute=True)
