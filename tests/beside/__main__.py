"""`make beside`: the service's statements in random interleavings; 1 where one is not survived."""

import argparse
import random
import sys
import time

import structlog
from rich.console import Console
from rich.table import Table

from tests.beside.checker import summary
from tests.beside.run import run
from tests.harness.database import VINTAGES, Databases
from tests.harness.server import described, running_server

SHOWN = 20

console = Console()


def main() -> int:
    """Run on each vintage and return the exit code."""
    parser = argparse.ArgumentParser(prog="make beside", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="so many, half on each vintage")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    chosen = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    console.print(f"seed {chosen.seed}, {described()}")
    failed = 0
    with running_server() as server:
        databases = Databases(server, "beside")
        vintages = [vintage for vintage in VINTAGES if vintage != "empty"]
        for vintage in vintages:
            with databases.fresh(vintage, migrated=True) as database:
                began = time.monotonic()
                cases, wrong = run(database, chosen.count // len(vintages), chosen.seed)
                table = Table(f"vintage {vintage}", "how many", box=None)
                for name, figure in summary(cases, database).items():
                    table.add_row(name, f"{figure:,}")
                table.add_row("seconds", f"{time.monotonic() - began:.0f}")
                console.print(table)
                for line in wrong[:SHOWN]:
                    console.print(f"[red]{line}[/]", highlight=False)
                verdict = f"[red]{len(wrong)} violations[/]" if wrong else "[green]all survived[/]"
                console.print(verdict)
                failed += len(wrong)
        databases.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
