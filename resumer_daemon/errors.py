"""What the program can fail with, by what the caller should do about it."""


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


class ContractError(ResumerError):
    """The service's tables are not as the daemon needs them; the message names each column."""


class Refused(ResumerError):
    """What was asked for is not possible as things stand; nothing was changed. Exit code 1."""
