"""Exceptions, by the reaction of the caller.

ResumerError
|- SettingsError         exit code 2
|- Unreachable           exit code 3, or the daemon reconnects
|- NotAllowed            the daemon ends
|- MigrationError        `migrate` ends, and nothing was changed
|  `- PlanRefused
|- ContractError         the daemon waits until the schema was changed
|  |- NotMigrated
|  `- NoServiceSchema
`- OperationRefused      exit code 1, or an HTTP problem
"""

from dataclasses import dataclass, field


class ResumerError(Exception):
    """An error whose message is written for users."""


class SettingsError(ResumerError):
    """Invalid settings. The message names all of them."""


class Unreachable(ResumerError):
    """The database cannot be reached."""


class NotAllowed(ResumerError):
    """The role of the daemon has too many rights, or too few."""


class MigrationError(ResumerError):
    """A migration cannot be applied or undone. It changed nothing."""


class PlanRefused(MigrationError):
    """A migration would harm other programs, or could not work. It changed nothing."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A column of the service that the daemon cannot use. `found` is None if it is missing.

    `remedy` is the statement that changes the column, None if no statement is known.
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
"""Columns that a message names. An empty database lacks all of them."""


class ContractError(ResumerError):
    """The daemon cannot use the service's tables. `mismatches` has every reason."""

    def __init__(self, message: str, mismatches: tuple[Mismatch, ...] = ()) -> None:
        lines = [message, *map(str, mismatches[:NAMED])]
        if (more := len(mismatches) - NAMED) > 0:
            lines.append(f"and {more} more; `resumer-daemon doctor` lists all of them")
        super().__init__("\n  ".join(lines))
        self.mismatches = mismatches


class NotMigrated(ContractError):
    """The schema `resumer` or a migration is missing. The daemon waits for `migrate up`."""

    def __init__(
        self, message: str = "the database is not migrated: run `resumer-daemon migrate up`"
    ) -> None:
        super().__init__(message)


class NoServiceSchema(ContractError):
    """The schema of the service's tables does not exist."""

    def __init__(self, schema: str) -> None:
        super().__init__(
            f'schema "{schema}" does not exist: set RESUMER_SERVICE_SCHEMA to the schema of the'
            " service's tables"
        )


class OperationRefused(ResumerError):
    """A command is not possible in the present state. It changed nothing."""
