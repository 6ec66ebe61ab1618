"""Causes of a failed batch: one row, too much work at once, a lock, or the database itself."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import psycopg
from psycopg import errors

from resumer_daemon.errors import Unreachable
from resumer_daemon.store.claim import TooManyRequests
from resumer_daemon.store.migration_files import created_by, known

Cause: TypeAlias = Literal[
    "row_unreadable", "turn_timeout", "too_large", "too_many_requests", "turn_failed"
]

REMEDIES: Mapping[Cause, str] = {
    "row_unreadable": "correct the row's documents (context, resume_data, trigger_payload),"
    " then retry",
    "turn_timeout": "look for what takes so long (a trigger, a lock, a large document), then retry",
    "too_large": "make the documents smaller or give the daemon more memory, then retry",
    "too_many_requests": "delete the approvals that nobody needs, then retry",
    "turn_failed": "look at the daemon's log for `batch_failed`, fix the cause, then retry",
}


LONG = 9.0
"""A batch that lost its connection after this many seconds counts as one that took too long."""

_ROWS_FAULT = (
    errors.DataError,
    errors.IntegrityError,
    errors.ProgramLimitExceeded,
    ValueError,
)
_WRONG_CODE = "42"  # a function names what does not exist, or has wrong syntax
_DENIED = "42501"  # a missing right is missing for all executions
_FRAME = re.compile(
    r'PL/pgSQL\D*?\s(?P<name>[^\s()]+)\(|^SQL function "(?P<sql>[^"]+)"', re.MULTILINE
)
_OURS = frozenset(
    each.name for migration in known() for each in created_by(migration) if each.kind == "function"
)
_PLPGSQL = "P0"
_DAMAGED = "XX"
_TOO_LONG = frozenset({"57014", "25P03", "25P04"})  # statement, idle and transaction timeouts
_TOO_MUCH = frozenset({"53200", "53400", "54000"})  # memory, temporary files, limits
_LOCKS = frozenset({"55P03", "40P01", "40001"})  # another session is in the way


def is_poison(error: Exception) -> bool:
    """Tell whether a row is at fault: it cannot be written, or a trigger of the service refuses it.

    A trigger raises with a code of PL/pgSQL or with a code of its own. An error that PostgreSQL
    itself has a name for may concern every row, and is not the fault of one.
    """
    if isinstance(error, _ROWS_FAULT):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False
    return error.sqlstate.startswith(_PLPGSQL) or type(error) is psycopg.DatabaseError


def is_foreign(error: Exception) -> bool:
    """Tell whether a function of the service is at fault, in its text or its search path.

    The server names the functions that it was in, with their schema where the search path does not
    contain it. A function without a schema that has the name of one of the daemon's counts as the
    daemon's.
    """
    state = getattr(error, "sqlstate", None) or ""
    if not isinstance(error, psycopg.Error) or state == _DENIED or state[:2] != _WRONG_CODE:
        return False
    frames = _FRAME.finditer(error.diag.context or "")
    return any(_is_not_ours(frame["name"] or frame["sql"]) for frame in frames)


def _is_not_ours(function: str) -> bool:
    schema, _, name = function.rpartition(".")
    return name not in _OURS if not schema else schema != "resumer"


def cause_of(error: Exception, seconds: float) -> Cause:
    """Return the cause of an incident for a batch that failed after `seconds`."""
    state = getattr(error, "sqlstate", None) or ""
    if is_poison(error) or state.startswith(_DAMAGED):
        return "row_unreadable"
    if isinstance(error, TooManyRequests):
        return "too_many_requests"
    if isinstance(error, MemoryError) or state in _TOO_MUCH:
        return "too_large"
    if isinstance(error, Unreachable) or state in _TOO_LONG:
        return "turn_timeout"
    return "turn_timeout" if is_lost(error) and seconds > LONG else "turn_failed"


def is_lock(error: Exception) -> bool:
    """Tell whether another session was in the way. No execution is at fault then."""
    return getattr(error, "sqlstate", None) in _LOCKS


def is_lost(error: Exception) -> bool:
    """Tell whether the connection was lost, which happens in an outage too."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return (
        error.sqlstate is None or error.sqlstate[:3] in ("08", "57P") or error.sqlstate[:2] == "08"
    )
