"""`simulate`: what an execution would do with given answers. Nothing is sent or written.

It is a module of its own, apart from the commands that only read, because its options have a small
language for decisions and events.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from resumer_daemon.cli.common import (
    REFUSED,
    USAGE,
    AsJson,
    DatabaseUrl,
    document,
    errors,
    print_json,
    run,
    settings,
)
from resumer_daemon.cli.output import escape
from resumer_daemon.cli.simulation_document import fails, to_document
from resumer_daemon.cli.simulation_input import Subject, from_database, from_file
from resumer_daemon.cli.simulation_report import print_simulated
from resumer_daemon.engine.simulation import Scenario, ScriptedDecision, ScriptedEvent
from resumer_daemon.engine.simulation import simulate as play
from resumer_daemon.workflow.values import Json

_WORDS: Final[tuple[ScriptedDecision, ...]] = get_args(ScriptedDecision)
_LETTERS: Final = {word[0]: word for word in reversed(_WORDS)}  # e is expired, not event

Execution = Annotated[
    str | None,
    typer.Argument(help="The id or execution_id. The simulation continues from its current state."),
]
Decisions = Annotated[
    str,
    typer.Option(
        "--decision", "--decisions",
        help="One decision per pause: approved, rejected, expired, event or timeout."
        " `a`, `r`, `e` and `t` are short for approved, rejected, expired and timeout.",
    ),
]  # fmt: skip
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="An event for the waits: TYPE, or TYPE=JSON. Repeatable."),
]
Payload = Annotated[
    str | None,
    typer.Option(help="Payload of the events, or of the start with --definition: JSON or a file."),
]
DefinitionFile = Annotated[
    Path | None,
    typer.Option(
        "--definition",
        exists=True,
        dir_okay=False,
        help="Simulate a start of this definition instead.",
    ),
]


def simulate(
    execution: Execution = None,
    decision: Decisions = "",
    event: Events = None,
    payload: Payload = None,
    definition: DefinitionFile = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show where an execution would go.

    Nothing is sent or written. Every effect counts as successful. Exit code 1: the execution would
    fail or stop at an incident, or a decision was given that no pause waits for.

    [dim]Example: resumer-daemon simulate exec_0a1b2c3d --decision approved[/]
    """
    if (execution is None) is (definition is None):
        raise _wrong("name an execution, or a file with --definition")
    given = None if payload is None else document("--payload", payload)
    script = Scenario(_decisions(decision), _events(event or (), None if definition else given))
    subject = run(_subject(execution, definition, given, database_url))
    played = play(subject.definition, subject.claimed, subject.world, script)
    simulation = to_document(subject, played)
    print_json(simulation) if as_json else print_simulated(simulation)
    if fails(simulation):
        raise typer.Exit(REFUSED)


async def _subject(
    execution: str | None, definition: Path | None, payload: Json, url: str | None
) -> Subject:
    if definition is not None:
        # No database is used here, but the other settings count.
        return from_file(definition, payload, settings(database_url=url or "postgresql://"))
    return await from_database(execution or "", url)


def _wrong(why: str) -> typer.Exit:
    errors.print(f"[red]error:[/] {escape(why)}", highlight=False, soft_wrap=True)
    return typer.Exit(USAGE)


def _decisions(written: str) -> tuple[ScriptedDecision, ...]:
    return tuple(_word(each.strip().lower()) for each in written.split(",") if each.strip())


def _word(written: str) -> ScriptedDecision:
    for word in _WORDS:
        if word in (written, _LETTERS.get(written)):
            return word
    raise _wrong(f"not a decision: {written} (known: {', '.join(_WORDS)})")


def _events(written: Sequence[str], payload: Json) -> tuple[ScriptedEvent, ...]:
    """Parse events. One without a payload gets that of `--payload`."""
    events = []
    for each in written:
        event_type, own, text = each.partition("=")
        default = {} if payload is None else payload
        events.append(ScriptedEvent(event_type, document("--event", text) if own else default))
    return tuple(events)
