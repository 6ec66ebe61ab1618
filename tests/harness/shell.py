"""A shell that is typed into, line by line, as a document shows it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.running import environment

_END = "--- end of what it printed ---"
_CHANGES = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\b(appr|exec)_[0-9a-f]+", r"\1_KEY"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?", "TIME"),
    (r"\b\d+ (ms|s|min|h) ago|just now", "AGO"),
    (r"\b\d+\b", "N"),
)
"""What differs each time, and what stands for it."""


def shape(text: str) -> str:
    """Return a text without what differs each time."""
    for pattern, name in _CHANGES:
        text = re.sub(pattern, name, text)
    return text.strip()


def session(block: str) -> Iterator[tuple[str, str]]:
    """Yield what is typed behind each prompt, and what is printed then."""
    for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = typed.partition("\n")
        yield command, printed


@contextmanager
def shell(url: str) -> Iterator[Callable[[str], str]]:
    """Run bash with our commands on its path; yield what types a line and reads the answer."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash"],
        env={**environment(url), "PATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        lines, into = process.stdout, process.stdin

        def run(command: str) -> str:
            into.write(f"{command}\necho; echo '{_END}'\n")
            into.flush()
            return "".join(iter(lines.readline, f"{_END}\n"))

        yield run
