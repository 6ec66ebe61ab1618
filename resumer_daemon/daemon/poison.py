"""What one row can do to a whole batch: it is the row's fault, and the row is stopped alone."""

from psycopg import errors

# what cannot be written, or what a trigger of the service refuses
POISON = (
    errors.DataError,
    errors.IntegrityError,
    errors.ProgramLimitExceeded,
    errors.RaiseException,
    ValueError,
)
