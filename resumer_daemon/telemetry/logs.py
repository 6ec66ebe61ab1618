"""Logs: one event name per verb, fields beside it, one place that formats.

The fields are `execution`, `pause`, `request`, `step`, `epoch` and what else an event is about. No
documents: payloads, contexts and answers stay in the database.
"""

import logging
import sys
from typing import Literal

import structlog

from resumer_daemon.telemetry.text import DENIED, GRANTED, printable

log = structlog.get_logger()


def configure(form: Literal["console", "json"], level: str) -> None:
    """Set up the process's logging: a line per event on standard error."""
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
            _neutralise,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    # it warns of what follows from an error, and the error itself we tell
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def format_error(error: BaseException) -> str:
    """Return what an error says, without the rows that a server quotes in its details."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    told = str(primary or error).strip()
    return f"{told}; {GRANTED}" if getattr(error, "sqlstate", None) == DENIED else told


class _Libraries(logging.Handler):
    """Puts what libraries warn of among our own lines, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it. Its traceback is left out: it may show what was sent."""
        log.warning("library_warning", library=record.name, message=record.getMessage())


def _neutralise(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Take control characters out of what strangers wrote: a step id must not steer a terminal."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            lines = value.split("\n") if key == "exception" else [value]
            event[key] = "\n".join(map(printable, lines))
    return event
