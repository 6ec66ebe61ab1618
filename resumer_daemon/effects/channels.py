"""Hands a message to a channel: e-mail, chat, pagers and what else Apprise knows to reach.

The channels take their time to load, and their memory, so only a first message loads them.
"""

import logging
import threading

from resumer_daemon.effects.shortage import is_short, is_shortage

KEYED = ("json", "jsons", "xml", "xmls", "form", "forms")
"""Channels that carry headers of ours: these get the message's Idempotency-Key."""


class NotTried(Exception):
    """A channel could not be asked, because this daemon is short of what it takes."""


class Undelivered(Exception):
    """A channel did not take a message; the text says why, as far as the channel tells."""


def deliver(address: str, message: str, key: str) -> None:
    """Hand over one message; blocks until its channel has taken it. For a thread of its own.

    Raises:
        Undelivered: It was not taken.
        NotTried: This daemon is short of what it takes: that is not an attempt.
    """
    import apprise

    scheme = address.partition(":")[0].lower()
    if scheme in KEYED:
        address += f"{'&' if '?' in address else '?'}+Idempotency-Key={key}"
    channel = apprise.Apprise.instantiate(address)
    if channel is None:
        raise Undelivered(f"a route's address is not one of a channel: {scheme}://...")
    with _Complaints() as said:
        try:
            taken = channel.notify(body=message, notify_type=apprise.NotifyType.INFO)
        except Exception as error:  # a hundred channels by as many hands: none may stop the others
            if is_shortage(error):
                raise NotTried(f"{scheme}: {type(error).__name__}") from error
            raise Undelivered(f"{scheme}: {type(error).__name__}") from error
    if not taken and is_short():
        raise NotTried(f"{scheme}: this daemon is short of files")
    if not taken:
        raise Undelivered(f"{scheme}: {said.last or 'not taken'}")


class _Complaints(logging.Handler):
    """What the channel of this thread complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.last = record.getMessage()

    def __enter__(self) -> "_Complaints":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
