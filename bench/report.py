"""A table for people and `bench/results.json` for programs."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. The target bounds the ratio to the floor, or our own figure if absolute."""

    name: str
    unit: str
    floor: float
    ours: float
    ratio: float
    target: float
    sense: Literal["<=", ">="]
    absolute: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        figure = self.ours if self.absolute else self.ratio
        return figure <= self.target if self.sense == "<=" else figure >= self.target


def report(rows: Sequence[Row], server: str) -> None:
    """Print the table and write the results."""
    table = Table("what", "unit", "floor", "ours", "ours/floor", "target", "met", box=None)
    for row in rows:
        kind = row.unit if row.absolute else "x floor"
        table.add_row(
            row.name,
            row.unit,
            f"{row.floor:,.2f}",
            f"{row.ours:,.2f}",
            f"{row.ratio:.2f}",
            f"{row.sense} {row.target:,g} {kind}",
            "[green]yes[/]" if row.met else "[red]no[/]",
        )
    console = Console()
    console.print(f"{platform.machine()}, Python {platform.python_version()}, {server}")
    console.print(table)
    RESULTS.write_text(json.dumps([asdict(row) | {"met": row.met} for row in rows], indent=1))
