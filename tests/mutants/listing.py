"""The list of mutants, one TOML file for each area."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in `file` the text `find`, which is there exactly once, becomes `put`.

    `statement` names the part of a file of `sql/` that has it, by the line `-- name:`.
    `tests` are arguments of pytest that run in seconds and fail because of the fault.
    """

    area: str
    name: str
    file: str
    find: str
    put: str
    tests: tuple[str, ...]
    statement: str = ""

    def applied(self, text: str) -> str:
        """Return the file's text with the fault in it.

        Raises:
            ValueError: The list is out of date: the text is not there exactly once.
        """
        begin = text.index(f"-- name: {self.statement}\n") if self.statement else 0
        end = text.find("\n-- name: ", begin) if self.statement else -1
        part = text[begin:] if end < 0 else text[begin:end]
        if (count := part.count(self.find)) != 1:
            raise ValueError(
                f"{self.area}: {self.name}: {self.file} has {count} times {self.find!r}"
            )
        return text[:begin] + part.replace(self.find, self.put) + text[begin + len(part) :]


def mutants(words: Sequence[str] = ()) -> list[Mutant]:
    """Return the mutants whose area or name contains one of these words; without words, all."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text("utf-8"))["mutant"]:
            tests = tuple(entry.pop("tests"))
            found.append(Mutant(area=path.stem, tests=tests, **entry))
    return [m for m in found if not words or any(word in f"{m.area} {m.name}" for word in words)]
