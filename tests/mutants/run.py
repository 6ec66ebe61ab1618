"""Runs the tests of each mutant, in copies of the tree."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Literal

from tests.mutants.listing import ROOT, Mutant

Verdict = Literal["noticed", "survived", "not run"]

AT_ONCE = 2
LIMIT = 240.0  # seconds: tests that hang have noticed
FAILED, INTERRUPTED = 1, 2  # exit codes of pytest: a test failed, or a module cannot be imported
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "docs", "bench"
)
BESIDE = ("sql", "migrations", "examples")  # packages whose folders lie beside the program's


def failing(mutants: Sequence[Mutant], server: str) -> str:
    """Run the tests of all mutants on the unchanged tree; return what failed, or an empty text."""
    wanted = sorted({test for mutant in mutants for test in mutant.tests})
    with TemporaryDirectory() as folder:
        code, printed = _pytest(_copy(Path(folder)), server, [*wanted, "-n", str(AT_ONCE)], None)
    return printed if code else ""


def verdicts(mutants: Sequence[Mutant], server: str) -> Iterator[tuple[Mutant, Verdict]]:
    """Put each fault into a copy of the tree, run its tests there, and yield what they said."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as threads:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            free.put(_copy(Path(folder) / str(number)))

        def judge(mutant: Mutant) -> Verdict:
            tree = free.get()
            try:
                return _judged(mutant, tree, server)
            finally:
                free.put(tree)

        yield from zip(mutants, threads.map(judge, mutants), strict=True)


def _judged(mutant: Mutant, tree: Path, server: str) -> Verdict:
    with _changed(tree / mutant.file, mutant):
        code, _ = _pytest(tree, server, ["-x", *mutant.tests], LIMIT)
    if code in (None, FAILED, INTERRUPTED):
        return "noticed"
    return "survived" if code == 0 else "not run"


@contextmanager
def _changed(file: Path, mutant: Mutant) -> Iterator[None]:
    sound = file.read_text("utf-8")
    file.write_text(mutant.applied(sound), "utf-8")
    try:
        yield
    finally:
        file.write_text(sound, "utf-8")


def _pytest(
    tree: Path, server: str, arguments: Sequence[str], limit: float | None
) -> tuple[int | None, str]:
    """Return pytest's exit code, None where it takes longer than the limit, and its output."""
    env = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",  # two texts of a file may have one time and one length
        "RESUMER_TEST_DATABASE_URL": server,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    try:
        ran = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return ran.returncode, ran.stdout


def _copy(tree: Path) -> Path:
    """Copy the tree, so that imports find the copy before the program that is installed."""
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, dirs_exist_ok=True)
    for name in BESIDE:
        (tree / "resumer_daemon" / name).symlink_to(tree / name)
    return tree
