"""What one row can do to a whole batch: it is the row's fault, and the row is stopped alone."""

import psycopg
from psycopg import errors

_ROWS_FAULT = (
    errors.DataError,
    errors.IntegrityError,
    errors.ProgramLimitExceeded,
    ValueError,
)
_PLPGSQL = "P0"


def is_poison(error: Exception) -> bool:
    """Tell what cannot be written, or what a trigger of the service refuses, from all else.

    A trigger raises as PL/pgSQL does, or with a code of its own that nobody knows; whatever
    PostgreSQL itself has a name for may be true of every row, and is then no row's fault.
    """
    if isinstance(error, _ROWS_FAULT):
        return True
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False
    return error.sqlstate.startswith(_PLPGSQL) or type(error) is psycopg.DatabaseError
