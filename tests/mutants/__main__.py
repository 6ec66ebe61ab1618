"""`make mutants`: run the list, print what survived, and end with 1 where too much does."""

import argparse
import sys
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from resumer_daemon.embedded.server import EmbeddedPostgres
from tests.harness.server import binaries
from tests.mutants.listing import Mutant, mutants
from tests.mutants.run import Verdict, failing, verdicts

ENOUGH = 0.95

console = Console(highlight=False)


def main() -> int:
    """Run once and return the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="run those whose area or name has one of these")
    chosen = mutants(parser.parse_args().words)
    began = time.monotonic()
    with EmbeddedPostgres(binaries=binaries()) as server:
        console.print(f"{len(chosen)} mutants; first, their tests on the unchanged code")
        if printed := failing(chosen, server.url()):
            console.print(printed, markup=False)
            return 1
        found = []
        for mutant, verdict in verdicts(chosen, server.url()):
            found.append((mutant, verdict))
            if verdict != "noticed":
                console.print(f"[red]{verdict}[/] {mutant.area}: {mutant.name}")
    _tell(found)
    console.print(f"{time.monotonic() - began:.0f} s")
    noticed = sum(verdict == "noticed" for _, verdict in found)
    return 0 if found and noticed >= ENOUGH * len(found) else 1


def _tell(found: list[tuple[Mutant, Verdict]]) -> None:
    table = Table("area", "mutants", "noticed", box=None)
    made = Counter(mutant.area for mutant, _ in found)
    noticed = Counter(mutant.area for mutant, verdict in found if verdict == "noticed")
    for area, count in made.items():
        table.add_row(area, str(count), str(noticed[area]))
    share = noticed.total() / max(1, made.total())
    table.add_row("all", str(made.total()), f"{noticed.total()} ({share:.0%})")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
