"""How the conformance files are read: groups of cases, each group one sentence of the semantics."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from resumer_daemon.workflow.values import Json, dump, load

_HERE = Path(__file__).parent


class Group(NamedTuple):
    file: str
    sentence: str
    written: dict[str, Json]


def groups(folder: str) -> Iterator[Group]:
    for path in sorted((_HERE / folder).glob("*.json")):
        for written in load(path.read_text(encoding="utf-8")):
            yield Group(path.stem, written["sentence"], written)


def name(file: str, *parts: Json) -> str:
    text = " ".join(part if isinstance(part, str) else dump(part) for part in parts)
    return f"{file}: {text[:110]}"
