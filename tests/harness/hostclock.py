"""A program whose machine has another time than the database's."""

from pathlib import Path

import pytest

SITE = """
import datetime, time

OFF = {off}
_time, _datetime = time.time, datetime.datetime


class _Real(type(_datetime)):
    def __instancecheck__(cls, found):
        return isinstance(found, _datetime)


class Shifted(_datetime, metaclass=_Real):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=OFF)

    @classmethod
    def utcnow(cls):
        return _datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=OFF)


time.time = lambda: _time() + OFF
datetime.datetime = Shifted
"""


def shift(monkeypatch: pytest.MonkeyPatch, folder: Path, seconds: float) -> None:
    """Let the clock of all processes that are begun from now on be wrong by so much."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(off=seconds))
    monkeypatch.setenv("PYTHONPATH", str(folder))
