"""The command line.

A command's module is imported when that command runs: to import all of them takes 1.2 s, and
`--help` needs none.
"""

import inspect
import re
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import resumer_daemon


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the help: its panel, the module that has it, and the first line of its help."""

    panel: str
    module: str
    attribute: str
    help: str


HELP: Final = ["-h", "--help"]
RUN, MOVE, LOOK, SET_UP = "Run", "Decide and move", "Look", "Set up"

COMMANDS: Final = {
    "dev": Entry(RUN, "dev", "dev", "Start a database and a daemon, and run one example workflow."),
    "run": Entry(RUN, "run", "run", "Run the daemon until SIGTERM."),
    "exporter": Entry(RUN, "run", "exporter", "Serve the metrics of the database until SIGTERM."),
    "health": Entry(RUN, "health", "health", "Ask a daemon whether it is ready."),
    "start": Entry(MOVE, "submit", "start", "Queue an execution."),
    "emit": Entry(MOVE, "submit", "emit", "Write an event."),
    "approve": Entry(MOVE, "submit", "approve", "Approve a pending request."),
    "reject": Entry(MOVE, "submit", "reject", "Reject a pending request."),
    "pause": Entry(MOVE, "operate", "pause", "Pause executions before their next step."),
    "resume": Entry(MOVE, "operate", "resume", "Resume paused executions."),
    "retry": Entry(MOVE, "operate", "retry", "Continue executions that stopped at an incident."),
    "cancel": Entry(MOVE, "operate", "cancel", "Cancel executions. They end without a result."),
    "hold": Entry(
        MOVE, "operate", "hold", "Stop a workflow, or every workflow, until it is released."
    ),
    "release": Entry(MOVE, "operate", "release", "End a hold."),
    "outbox": Entry(MOVE, "outbox", "outbox", "List messages, and send dead ones again."),
    "list": Entry(LOOK, "show", "list_", "List executions, newest first."),
    "show": Entry(LOOK, "show", "show", "Show the history of one execution."),
    "explain": Entry(LOOK, "show", "explain", "Explain why an execution waits, and what moves it."),
    "ledger": Entry(
        LOOK, "show", "ledger", "List settled requests with their outcomes, newest first."
    ),
    "incidents": Entry(
        LOOK, "show", "incidents", "List open incidents with their remedies, oldest first."
    ),
    "stats": Entry(LOOK, "show", "stats", "Show counts, delays, holds and daemons."),
    "simulate": Entry(LOOK, "simulate", "simulate", "Show where an execution would go."),
    "migrate": Entry(SET_UP, "database", "migrate_app", "Install, update or remove the schema."),
    "doctor": Entry(
        SET_UP, "database", "doctor", "Check the database, and name the repair of each fault."
    ),
    "adopt": Entry(
        SET_UP, "operate", "adopt", "Turn executions that the service blocked earlier into pauses."
    ),
    "token": Entry(SET_UP, "tokens", "token", "Create, list and revoke tokens for HTTP."),
    "check-definition": Entry(
        SET_UP, "check_definition", "check_definition", "Check workflow definitions."
    ),
}


def load_command(name: str) -> Any:
    """Import a command, and return it as typer runs it."""
    entry = COMMANDS[name]
    found = getattr(import_module(f"resumer_daemon.cli.{entry.module}"), entry.attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(rich_markup_mode="rich", add_completion=False)
        alone.command(name)(found)
        found = alone
    command: Any = get_command(found)
    command.name = name
    for each in (command, *getattr(command, "commands", {}).values()):
        _spare_pydantic(each)
        _format_help(each)
    return command


@dataclass(frozen=True)
class _Parameter(RuntimeParam):
    """Takes texts and defaults as they are, and anything else as typer does.

    typer reads every value with pydantic, which takes 0.1 s to import.
    """

    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        if self.annotation is str or value == param.default:
            return value
        typed = build_runtime_param(param.type_descriptor)
        return typed._coerce_value(value, param=param, ctx=ctx)


def _spare_pydantic(command: Any) -> None:
    for param in command.get_params(typer.Context(command, help_option_names=HELP)):
        made = param.type_descriptor
        param._runtime_param = _Parameter(made.parameter_info, made.annotation)


TYPE_WIDTH: Final = 18
"""The widest type in characters that fits its column of the help at 80 columns."""


def _format_help(command: Any) -> None:
    """Leave the line breaks of a help text to the terminal, and move long choices into the text.

    typer keeps the line breaks of the source, and breaks words in the column of types.
    """
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for param in command.params:
        choices = _choices(param.type_descriptor.annotation)
        if choices and len("|".join(choices)) + 2 > TYPE_WIDTH:
            param.help = f"{param.help} One of {', '.join(choices[:-1])} or {choices[-1]}."
            param.metavar = "<word>"


def _choices(annotation: Any) -> list[str]:
    """Return the words that an option takes. Empty: it takes any text."""
    if get_origin(annotation) is list:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(choice.value) for choice in annotation]
    return []


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and help, and imports the one that is run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(
                name, help=entry.help, rich_help_panel=entry.panel, add_help_option=False
            )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options that stand before the command."""
        _spare_pydantic(self)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(command.name or ""), rest

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (typer passes it)
        """Print the panels. Those of typer look the same, and import 0.1 s of Markdown for it."""
        from rich.console import Console
        from rich.panel import Panel
        from rich.table import Table

        def panel(title: str, rows: list[tuple[str, str]]) -> Panel:
            table = Table(box=None, show_header=False, padding=(0, 1))
            table.add_column(style="bold cyan", no_wrap=True, min_width=width)
            for row in rows:
                table.add_row(*row)
            return Panel(table, title=title, title_align="left", border_style="dim")

        options = [each.get_help_record(ctx) for each in self.get_params(ctx)]
        shown = [record for record in options if record is not None]
        width = max(len(name) for name in (*COMMANDS, *(names for names, _ in shown)))
        console = Console(highlight=False)
        console.print(f"\n [bold yellow]Usage:[/] {ctx.command_path} COMMAND [ARGS]...\n")
        console.print(f" {self.help}\n")
        console.print(panel("Options", shown))
        for title in (RUN, MOVE, LOOK, SET_UP):
            entries = [(n, entry.help) for n, entry in COMMANDS.items() if entry.panel == title]
            console.print(panel(title, entries))
        console.print(" `resumer-daemon COMMAND --help` explains a command.\n")


app = typer.Typer(
    name="resumer-daemon",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": HELP},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"resumer-daemon {resumer_daemon.__version__}")
        raise typer.Exit


@app.callback(
    help="Pause workflow executions in PostgreSQL until someone approves them, then resume them.",
)
def _main(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, and end."
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""
