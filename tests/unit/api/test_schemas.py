"""Cursors: what was written is read again, to the microsecond."""

import re
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.api import schemas

times = st.datetimes(datetime(1970, 1, 1), datetime(2280, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(times, st.uuids())
def test_a_cursor_is_read_as_it_was_written(at: datetime, execution: UUID):
    written = schemas.paused_cursor(at, execution)
    assert re.search(schemas.PAUSED_CURSOR, written)
    assert schemas.read_paused_cursor(written) == (at, execution)


@given(st.from_regex(schemas.PAUSED_CURSOR, fullmatch=True).filter(str.isascii))
def test_what_has_the_form_of_a_cursor_is_one(text: str):
    at, execution = schemas.read_paused_cursor(text.rstrip("\n"))
    assert at.tzinfo is UTC
    assert isinstance(execution, UUID)
