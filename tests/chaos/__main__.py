"""`make chaos`: run it, print what happened, and end with 1 where an invariant is broken."""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console
from rich.table import Table

from tests.chaos.checker import summary
from tests.chaos.matrix import ALL, ONCE_EACH, Cell, run_matrix
from tests.chaos.run import Plan, run

SHOWN = 20

console = Console()


def main() -> int:
    """Run once and return the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--small", action="store_true", help="two minutes of it")
    parser.add_argument("--matrix", action="store_true", help="the kill matrix alone")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    parser.add_argument("--executions", type=int)
    chosen = parser.parse_args()
    killed = Plan(chosen.seed, gated=0, odd=0)
    decided = Plan(chosen.seed, executions=0, kills=0, stops=0, restarts=0)
    if chosen.small:
        killed = replace(killed, executions=400, kills=25, stops=5, restarts=2)
        decided = replace(decided, gated=120, odd=12)
    killed.executions = chosen.executions or killed.executions
    folder = Path(mkdtemp(prefix="resumer-chaos-"))
    console.print(f"seed {chosen.seed}, logs in {folder}")
    wrong = []
    for plan in () if chosen.matrix else (killed, decided):
        within = folder / ("killed" if plan.kills else "decided")
        within.mkdir()
        wrong += _at_random(plan, within)
    wrong += _matrix(ONCE_EACH if chosen.small else ALL, folder, chosen.seed)
    for line in wrong[:SHOWN]:
        console.print(f"[red]{line}[/]", highlight=False)
    console.print(
        f"[red]{len(wrong)} violations[/]" if wrong else "[green]every invariant holds[/]"
    )
    return 1 if wrong else 0


def _at_random(plan: Plan, folder: Path) -> list[str]:
    """Do everything to many executions at once; return what is wrong."""
    began = time.monotonic()
    left = run(plan, folder)
    figures = {
        **summary(left.facts),
        "executions of flows decided in any order": len(left.stood),
        "events of strangers": left.gated.strangers,
        "resumed by force": left.gated.forced,
        "cancelled": len(left.gated.cancelled),
        "old copies written back": left.gated.written_back,
        "odd things done to the database": plan.odd,
        "killed": plan.kills,
        "stopped": plan.stops,
        "database restarted": plan.restarts,
        "seconds": round(time.monotonic() - began),
        "seconds after the last fault": round(left.settled, 1),
    }
    table = Table("what", "how many", box=None)
    for name, figure in figures.items():
        table.add_row(name, f"{figure:,}")
    console.print(table)
    wrong = left.wrong()
    console.print(f"violations: {len(wrong)}", highlight=False)  # the matrix takes minutes more
    return wrong


def _matrix(cells: Sequence[Cell], folder: Path, seed: int) -> list[str]:
    """Do one thing to one execution, in every way; return what is wrong."""
    began = time.monotonic()
    wrong = [
        f"{'-'.join(cell)}: {line}"
        for cell, lines in run_matrix(cells, folder, seed)
        for line in lines
    ]
    seconds = round(time.monotonic() - began)
    console.print(f"kill matrix: {len(cells)} cells in {seconds} s", highlight=False)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
