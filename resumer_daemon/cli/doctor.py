"""`doctor`: look at a database as the daemon will use it, and say what is wrong with it."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from resumer_daemon.cli.common import (
    REFUSED,
    AsJson,
    DatabaseUrl,
    console,
    print_json,
    run,
    settings,
)
from resumer_daemon.cli.plain import escape
from resumer_daemon.store.doctor.finding import Finding
from resumer_daemon.store.doctor.report import examine

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def doctor(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check the database: what is wrong, why it matters, and the statement that mends it.

    Exits with 1 where something does not work; warnings alone are 0.

    [dim]Example: resumer-daemon doctor --json[/]
    """
    found = run(examine(settings(database_url=database_url)))
    wrong = any(finding.verdict == "error" for finding in found)
    if as_json:
        print_json({"healthy": not wrong, "checks": [asdict(finding) for finding in found]})
    else:
        _print_finding(found)
    if wrong:
        raise typer.Exit(REFUSED)


def _print_finding(found: Sequence[Finding]) -> None:
    for finding in found:
        _line(f"[{COLOURS[finding.verdict]}]{finding.verdict:8}[/]", finding.check, finding.what)
        if finding.why:
            _line(" " * 8, "  why", finding.why)
        if finding.remedy:
            _line(" " * 8, "  remedy", finding.remedy)
    count = sum(finding.verdict != "ok" for finding in found)
    console.print(f"\n{count} of {len(found)} checks found something", highlight=False)


def _line(verdict: str, name: str, text: str) -> None:
    console.print(f"{verdict} {name:18} {escape(text)}", highlight=False, soft_wrap=True)
