"""Poison: whose function an error was raised in, as the server's context tells."""

import pytest
from psycopg import errors

from resumer_daemon.daemon.failures import is_foreign


class Diagnostic:
    """The fields of a server's error beside its message."""

    def __init__(self, context: str | None) -> None:
        self.context = context


def raised(kind: type[Exception], context: str | None) -> Exception:
    """Return an error as psycopg raises it, with this context."""

    class Raised(kind):  # type: ignore[valid-type,misc]  # the class that psycopg chose
        diag = Diagnostic(context)

    return Raised("it was wrong")


@pytest.mark.parametrize(
    ("context", "foreign"),
    [
        ("PL/pgSQL function public.mine() line 3 at PERFORM", True),
        ("PL/pgSQL function mine(uuid,text) line 3 at SQL statement", True),
        ('PL/pgSQL function public."Mine"() line 3 at RAISE', True),
        ("PL/pgSQL-Funktion public.mine() Zeile 3 bei PERFORM", True),
        ('SQL function "mine" statement 1', True),
        (
            'SQL statement "SELECT f(1)"\nPL/pgSQL function resumer.hold_of(uuid) line 9 at X\n'
            "PL/pgSQL function public.start() line 2 at RAISE",
            True,
        ),
        ("PL/pgSQL function resumer.hold_of(uuid) line 3 at RETURN QUERY", False),
        ("PL/pgSQL function hold_of(uuid) line 3 at RETURN QUERY", False),
        ('SQL statement "SELECT public.f(1)"', False),
        (None, False),
    ],
)
def test_the_context_tells_whose_function_it_was(context: str | None, foreign: bool):  # P7
    assert is_foreign(raised(errors.UndefinedFunction, context)) is foreign


@pytest.mark.parametrize(
    "kind", [errors.InsufficientPrivilege, errors.LockNotAvailable, ValueError]
)
def test_errors_of_other_kinds_are_nobodys(kind: type[Exception]):  # P7
    assert not is_foreign(raised(kind, "PL/pgSQL function public.mine() line 3 at RAISE"))
