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
from resumer_daemon.cli.show import TIMELINE_COLUMNS

KEY = "exec_0123456789abcdef"
COLUMNS = (
    TableColumn("execution", key=True),
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


OUTBOX = (
    TableColumn("key", key=True),
    TableColumn("execution", drop=2, key=True),
    TableColumn("state", drop=1),
    TableColumn("why", text=True),
)


def test_a_table_shortens_values_before_it_leaves_out_columns():
    long = "the_workflow_of_the_procurement_department"
    head, line = printed(80, row=(KEY, long, "a manager", "3m ago"))
    assert head.split() == ["execution", "workflow", "waits", "for", "since"]
    assert KEY in line
    assert "the_workflow_of" in line
    assert "…" in line


def test_a_column_that_the_command_is_for_stays_and_a_key_is_never_shortened():
    key = "notify:0123456789abcdef0123456789abcdef:7:1"
    row = (key, KEY, "dead", "smtp.example refused the message for a_very_long_recipient_name")
    lines = printed(80, OUTBOX, row)
    assert lines[0].split() == ["key", "state", "why"]
    assert key in lines[1]
    assert all(len(line) <= 80 for line in lines)
    assert "refused" in " ".join(lines)


def test_a_key_inside_of_a_text_is_never_shortened():
    columns = (TableColumn("what", text=True), TableColumn("detail", text=True))
    key = "request_of_another_program_0123456789"
    row = (f"approval [key]{key}[/]", "notify_the_procurement_department_lead_of_the_order")
    lines = printed(60, columns, row)
    assert any(key in line for line in lines)
    assert all(len(line) <= 60 for line in lines)


def test_show_fits_a_terminal_of_80_columns():
    step = "step notify_the_procurement_department_lead_and_its_deputy (action)"
    row = ("  11-30 21:11:02.281", step, "completed", "Orders above 10,000 need the sales manager")
    lines = printed(80, TIMELINE_COLUMNS, row)
    assert all(len(line) <= 80 for line in lines)
    assert "11-30 21:11:02.281" in lines[1]
