"""The documents and the tables that the code generates for them.

`make tables` writes these tables anew. Each stands between two comments that name it.
"""

import inspect
import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from prometheus_client.metrics_core import Metric
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from resumer_daemon.cli.app import app
from resumer_daemon.cli.app import load_command as load
from resumer_daemon.config import Settings
from resumer_daemon.durations import format_duration
from resumer_daemon.store.gauges import Gauges, PoolGauges
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCED = re.compile(r"^```(.*)\n((?s:.*?))^```$", re.MULTILINE)
_SUFFIXES = {"counter": "_total", "info": "_info"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `form` is the text behind the fence, such as `json title="payload"`."""

    form: str
    text: str


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document."""
    return [
        Block(form.strip(), text)
        for form, text in _FENCED.findall(document.read_text(encoding="utf-8"))
    ]


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCED.sub("", document.read_text(encoding="utf-8"))


def between(document: Path, marker: str) -> str:
    """Return what stands between two comments, `<!-- marker -->` and `<!-- /marker -->`."""
    text = document.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {marker} -->\n((?s:.*?))<!-- /{marker} -->", text)
    assert found, f"{document.name} has no comments around its {marker}"
    return found[1].strip()


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table, without its head; inline code is taken out of its quotes."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[_cell(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def _cell(text: str) -> str:
    text = text.strip().replace("\\|", "|")
    return text[1:-1] if re.fullmatch("`[^`]*`", text) else text


def _table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def settings_table(names: Container[str] = frozenset(Settings.model_fields)) -> str:
    """Return the table of the settings, or of some of them."""
    body = [
        [f"`RESUMER_{name.upper()}`", _default(field), field.description or ""]
        for name, field in Settings.model_fields.items()
        if name in names
    ]
    return _table(["Setting", "Default", "Meaning"], body)


COMMON = {
    "database_url",
    "listen_url",
    "service_schema",
    "service_timezone",
    "decision_guard",
    "http_host",
    "poll_interval",
    "ledger_retention",
    "http_allow",
    "notification_routes",
}
"""The settings that most people change."""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None | "" | ():
            return "none"
        case bool() as value:
            return f"`{str(value).lower()}`"
        case float() as value:
            lasts = any(isinstance(each, BeforeValidator) for each in field.metadata)
            return f"`{format_duration(value) if lasts else f'{value:g}'}`"
    others = [f"`{other}`" for other in _choices(field.annotation) if other != field.default]
    return f"`{field.default}`" + (f" (or {', '.join(others)})" if others else "")


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


class _Answering(Gauges):
    """Gauges with a database that has nothing to tell."""

    def __init__(self) -> None:
        super().__init__("")
        self.up = True
        self._pauses = []


class _Idle(Pool):
    """A pool that nobody has opened."""

    def __init__(self) -> None:
        pass

    def stats(self) -> Mapping[str, int]:
        return {}


def metrics_table() -> str:
    """Return the table of the metrics, as a scrape names them."""
    made = Metrics().registry._collector_to_names
    own = [(m, _labels(collector, m)) for collector in made for m in collector.collect()]
    read = [(m, _labels(m, m)) for m in (*PoolGauges(_Idle()).collect(), *_Answering().collect())]
    body = [
        [f"`{m.name}{_SUFFIXES.get(m.type, '')}`", ", ".join(labels), m.documentation]
        for m, labels in own + read
    ]
    return _table(["Metric", "Labels", "Meaning"], body)


def _labels(collector: object, metric: Metric) -> list[str]:
    """Return the names of the labels; those of an Info are only on its sample."""
    if metric.type == "info":
        return [f"`{name}`" for sample in metric.samples for name in sample.labels]
    names = getattr(collector, "_labelnames", getattr(metric, "_labelnames", ()))
    return [f"`{name}`" for name in names]


def commands() -> dict[str, TyperCommand]:
    """Return every command by its full name, such as `migrate up`."""
    return dict(_commands(get_command(app), ""))


def _commands(command: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for inner, found in command.commands.items():
            real = found if name else load(inner)
            yield from _commands(real, f"{name} {inner}".strip())
    elif isinstance(command, TyperCommand):
        yield name, command


def commands_reference() -> str:
    """Return a section for each command: its help, its arguments and its options."""
    return "\n\n".join(_command(name, found) for name, found in commands().items())


def _command(name: str, command: TyperCommand) -> str:
    usage = [f"resumer-daemon {name}"]
    if any(param.param_type_name == "option" for param in command.params):
        usage.append("[OPTIONS]")
    usage += [_argument(p) for p in command.params if p.param_type_name == "argument"]
    help_ = re.sub(r"\[/?\w*\]", "", inspect.cleandoc((command.help or "").replace("\b", "")))
    told = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", help_)]
    examples = [each.removeprefix("Example: ") for each in told if each.startswith("Example: ")]
    told = [each for each in told if not each.startswith("Example: ")]
    shown = "\n".join([" ".join(usage), *(f"$ {example}" for example in examples)])
    parts = [f"### {name}", *told, f"```text\n{shown}\n```"]
    body = [
        [", ".join(f"`{each}`" for each in (*param.opts, *param.secondary_opts)), _help(param)]
        for param in command.params
        if param.param_type_name == "option"
    ]
    return "\n\n".join([*parts, *([_table(["Option", "Meaning"], body)] if body else [])])


def _argument(param: Any) -> str:
    name = (param.metavar or param.name or "").upper() + ("..." if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"


def _help(param: Any) -> str:
    return " ".join((param.help or "").split()).replace("|", "\\|")


GENERATED: Mapping[str, tuple[Path, Callable[[], str]]] = {
    "common settings": (ROOT / "README.md", lambda: settings_table(COMMON)),
    "settings": (ROOT / "docs" / "configuration.md", settings_table),
    "metrics": (ROOT / "docs" / "metrics.md", metrics_table),
    "commands": (ROOT / "docs" / "cli.md", commands_reference),
}
"""By name: the document that shows a generated text, and the text."""


def write_tables() -> None:
    """Write all generated texts into their documents."""
    for name, (document, generate) in GENERATED.items():
        text = document.read_text(encoding="utf-8")
        head, _, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- /{name} -->")
        written = f"{head}<!-- {name} -->\n\n{generate()}\n\n{end}{tail}"
        document.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
