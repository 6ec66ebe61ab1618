"""A table for people and `bench/results.json` for programs."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, or the medians of several.

    The target bounds the ratio to the floor, or our own figure if absolute. None: there is none.
    `rounds` has the ratio of each measurement.
    """

    name: str
    unit: str
    floor: float
    ours: float
    ratio: float
    target: float | None
    sense: Literal["<=", ">="]
    absolute: bool = False
    rounds: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the target is met. None: there is none."""
        if self.target is None:
            return None
        figure = self.ours if self.absolute else self.ratio
        return figure <= self.target if self.sense == "<=" else figure >= self.target


def medians(rounds: Sequence[Sequence[Row]]) -> list[Row]:
    """Return each row with the medians of its figures. All rounds have the same rows."""
    return [
        replace(
            same[0],
            floor=median(row.floor for row in same),
            ours=median(row.ours for row in same),
            ratio=median(row.ratio for row in same),
            rounds=tuple(row.ratio for row in same),
        )
        for same in zip(*rounds, strict=True)
    ]


def report(rows: Sequence[Row], server: str) -> None:
    """Print the table and write the results."""
    rounds = max((len(row.rounds) for row in rows), default=1)
    table = Table("what", "unit", "floor", "ours", "ours/floor", "target", "met", box=None)
    if rounds > 1:
        table.add_column("ratios")
    for row in rows:
        kind = row.unit if row.absolute else "x floor"
        spread = [f"{min(row.rounds):.2f} to {max(row.rounds):.2f}"] if rounds > 1 else []
        table.add_row(
            row.name,
            row.unit,
            f"{row.floor:,.2f}",
            f"{row.ours:,.2f}",
            f"{row.ratio:.2f}",
            "" if row.target is None else f"{row.sense} {row.target:,g} {kind}",
            {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[row.met],
            *spread,
        )
    console = Console()
    console.print(f"{platform.machine()}, Python {platform.python_version()}, {server}")
    if rounds > 1:
        console.print(f"Medians of {rounds} rounds")
    console.print(table)
    RESULTS.write_text(json.dumps([asdict(row) | {"met": row.met} for row in rows], indent=1))
