"""Tables for people: columns that fit the terminal, keys that can be copied."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from resumer_daemon.cli.output import (
    FULL_WIDTH,
    PlainConsole,
    TableColumn,
    format_moment,
    print_table,
)

KEY = "exec_0123456789abcdef"
COLUMNS = (
    TableColumn("execution"),
    TableColumn("workflow", drop=2),
    TableColumn("waits for", text=True),
    TableColumn("since", drop=1),
)
ROW = (KEY, "high_value_order_approval", "the sales manager of the order", "3m ago")


def printed(width: int, columns=COLUMNS, row=ROW) -> list[str]:
    file = StringIO()
    console = Console(file=file, width=width)
    print_table(console, columns, [row])
    return file.getvalue().splitlines()


def test_a_wide_terminal_shows_every_column_in_one_line():
    head, line = printed(120)
    assert head.split() == ["execution", "workflow", "waits", "for", "since"]
    assert line.split() == [*" ".join(ROW).split()]


@pytest.mark.parametrize(("width", "left"), [(80, 4), (60, 3), (50, 3), (42, 2)])
def test_a_narrow_terminal_leaves_out_columns_and_breaks_no_word(width: int, left: int):
    lines = printed(width)
    words = {word for line in lines[1:] for word in line.split()}
    assert KEY in words
    assert words <= set(" ".join(ROW).split())
    heads = lines[0].replace("waits for", "waits").split()
    assert len(heads) == left
    assert all(len(line) <= width for line in lines)


def test_a_key_that_is_wider_than_the_terminal_stays_whole():
    key = "a" * 100
    assert any(key in line for line in printed(80, row=(key, *ROW[1:])))


def test_a_pipe_gets_the_full_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert PlainConsole().width == FULL_WIDTH
    monkeypatch.setenv("COLUMNS", "90")
    assert PlainConsole().width == 90


def test_a_moment_almost_two_days_ahead_is_rounded():
    assert format_moment(datetime.now(UTC) + timedelta(hours=48)) == "in 2d"
