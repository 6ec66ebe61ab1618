"""The exceptions of the program, grouped by the reaction that they ask of the caller."""

from dataclasses import dataclass, field


class ResumerError(Exception):
    """A failure with a sentence for the person who reads it."""


class SettingsError(ResumerError):
    """Settings are wrong; the message names all of them. Exit code 2."""


class Unreachable(ResumerError):
    """The database cannot be reached. Exit code 3."""


class NotAllowed(ResumerError):
    """The daemon's role may do more than it should; nothing was started. Exit code 1."""


class MigrationError(ResumerError):
    """A migration cannot be applied or undone; nothing of it was."""


class PlanRefused(MigrationError):
    """A migration would harm others, or could not work; nothing of it was applied."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A column of the service that is not as it is needed; `found` is None where it is missing.

    `remedy` is the statement that changes the column, None where no statement is known.
    """

    table: str
    column: str
    expected: str
    found: str | None
    remedy: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return it as a line of the message."""
        found = self.found or "nothing"
        return f"{self.table}.{self.column}: expected {self.expected}, found {found}"


NAMED = 3
"""Columns that a message names; an empty database lacks all of them, at every look."""


class ContractError(ResumerError):
    """The service's tables are not as the daemon needs them; `mismatches` are all of them."""

    def __init__(self, message: str, mismatches: tuple[Mismatch, ...] = ()) -> None:
        lines = [message, *map(str, mismatches[:NAMED])]
        if (more := len(mismatches) - NAMED) > 0:
            lines.append(f"and {more} more; `resumer-daemon doctor` names them all")
        super().__init__("\n  ".join(lines))
        self.mismatches = mismatches


class NotMigrated(ContractError):
    """The schema `resumer` or a migration is missing. The daemon waits for `migrate up`."""

    def __init__(
        self, message: str = "the database is not migrated: run `resumer-daemon migrate up`"
    ) -> None:
        super().__init__(message)


class OperationRefused(ResumerError):
    """The request is not possible in the present state. Nothing was changed. Exit code 1."""
