"""Structured logs: an event name, and fields such as `execution`, `pause`, `request` and `epoch`.

Payloads, contexts and responses are never logged. They stay in the database.
"""

import logging
import sys
from typing import Literal

import structlog

from resumer_daemon.telemetry.text import DENIED, GRANTED, printable

log = structlog.get_logger()


def configure(form: Literal["console", "json"], level: str) -> None:
    """Configure the logging of the process: one line per event on standard error."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(pad_event_to=28, colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape_controls,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    # it warns of the consequences of an error that the daemon itself logs
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def format_error(error: BaseException) -> str:
    """Return the message of an error, without the rows that a server quotes in its details."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    message = str(primary or error).strip()
    return f"{message}; {GRANTED}" if getattr(error, "sqlstate", None) == DENIED else message


class _Libraries(logging.Handler):
    """Logs warnings of libraries in the form of the daemon's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record without its traceback, which may show what was sent."""
        log.warning("library_warning", library=record.name, message=record.getMessage())


def _escape_controls(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters in text of other programs, which a terminal would obey."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            lines = value.split("\n") if key == "exception" else [value]
            event[key] = "\n".join(map(printable, lines))
    return event
