"""Single decisions by many writers at once, with our triggers and without."""

import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile

import psycopg

from bench import ground
from bench.report import Row
from resumer_daemon.embedded.files import find_binaries

CLIENTS, SECONDS, ROUNDS, ROWS = 8, 5, 3, 20_000
DECIDE = """\\set n random(1, {rows})
UPDATE approval_requests
SET status = CASE status WHEN 'approved' THEN 'rejected' ELSE 'approved' END
WHERE request_id = 'bench' || :n;
"""
POLLING = "UPDATE resumer.control SET polling_until = %s"


def measure(url: str) -> list[Row]:
    """Measure in turns: without triggers, with a daemon that polls, and with notifications."""
    ground.pause(url, ROWS)
    found: dict[str, list[float]] = {"bare": [], "polling": [], "notified": []}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE approval_requests a SET request_id = 'bench' || o.n"
            " FROM (SELECT id, row_number() OVER () AS n FROM approval_requests) o"
            " WHERE o.id = a.id"
        )
        for _ in range(ROUNDS):
            for name, rates in found.items():
                connection.execute(POLLING, ["infinity" if name == "polling" else "-infinity"])
                triggers = "DISABLE" if name == "bare" else "ENABLE"
                connection.execute(
                    f"ALTER TABLE approval_requests {triggers} TRIGGER"
                    " resumer_approval_update".encode()
                )
                connection.execute("TRUNCATE resumer.resume_requests")
                connection.execute("VACUUM approval_requests")
                connection.execute("CHECKPOINT")
                rates.append(_rate(url))
    bare, polling, notified = (sorted(rates)[ROUNDS // 2] for rates in found.values())
    name = f"single decisions, {CLIENTS} writers"
    return [
        Row(f"{name}, daemon polling", "1/s", bare, polling, polling / bare, 0.65, ">="),
        Row(f"{name}, each notifies", "1/s", bare, notified, notified / bare, 0.3, ">="),
    ]


def _rate(url: str) -> float:
    """Return the decisions per second that pgbench gets through."""
    pgbench = find_binaries(None) / "pgbench"
    with NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(DECIDE.format(rows=ROWS))
        script.flush()
        Path(script.name).chmod(0o644)
        output = subprocess.run(
            [pgbench, "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS),
             "-f", script.name, url],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    [line] = [line for line in output.splitlines() if line.startswith("tps")]
    return float(line.split()[2])
