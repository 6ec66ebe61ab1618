"""Why there is no answer, in words of our own: a library's may quote what a receiver sent."""

import ssl
from typing import Final

import httpcore2

from resumer_daemon.effects.answer import Answer
from resumer_daemon.effects.guard import AddressRefused, NotResolved
from resumer_daemon.effects.meter import TooMuch
from resumer_daemon.effects.shortage import SHORTAGE, is_shortage
from resumer_daemon.workflow.errors import Fault

TROUBLE: Final = (
    AddressRefused,
    Fault,
    NotResolved,
    OSError,  # the deadline's TimeoutError is one
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
)
"""What an attempt can fail with."""

_LATE: Final[dict[type[Exception], str]] = {
    httpcore2.ConnectTimeout: "no connection",
    httpcore2.ReadTimeout: "no answer",
    httpcore2.WriteTimeout: "the request was not taken",
}


def failed(error: Exception, sent: bool) -> Answer:
    """Return one of `TROUBLE` as a result; `sent` tells whether any byte of the request has left.

    The text may hold what the definition says, secrets included.
    """
    match error:
        case _ if is_shortage(error):
            return Answer(
                "webhook not sent: this daemon is short of files or memory", SHORTAGE, sent=sent
            )
        case Fault():
            return Answer(str(error), "fault", sent=sent)
        case AddressRefused():
            return Answer(f"webhook: {error}", "fault", sent=sent)
        case httpcore2.LocalProtocolError():
            return Answer("webhook: not a request that can be sent", "fault", sent=sent)
        case TimeoutError() | httpcore2.TimeoutException():
            why = _LATE.get(type(error), "no end within the time given")
            return Answer(f"webhook timed out: {why}", "timeout", sent=sent)
        case _:
            return Answer(f"webhook failed: {_broken(error)}", "connection", sent=sent)


def _broken(error: Exception) -> str:
    match error:
        case NotResolved():
            return str(error)
        case TooMuch():
            return "an answer without end"
        case httpcore2.ProtocolError():
            return "what came is no answer"
        case httpcore2.ConnectError():
            return _unconnected(error.__cause__)
        case _:
            return "the connection broke"


def _unconnected(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate refused: {cause.verify_message}"
    return "no TLS" if isinstance(cause, ssl.SSLError) else "no connection"
