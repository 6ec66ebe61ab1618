"""`make bench`: everything in one run, floor and daemon in turns."""

import sys

import psycopg

from bench import bulk, engine, ground, latency
from bench.report import report


def main() -> None:
    """Run the benchmarks and print the table."""
    wanted = set(sys.argv[1:]) or {"engine", "latency", "bulk"}
    rows = engine.measure() if "engine" in wanted else []
    with ground.server() as running:
        with psycopg.connect(running.url()) as connection:
            version = f"PostgreSQL {connection.info.parameter_status('server_version')}"
        if "latency" in wanted:
            rows += latency.measure(ground.database(running, "latency"))
        if "bulk" in wanted:
            rows.append(bulk.measure(ground.database(running, "bulk1"), 1, 12_000))
            rows.append(bulk.measure(ground.database(running, "bulk2"), 2, 18_000))
    report(rows, version)


if __name__ == "__main__":
    main()
