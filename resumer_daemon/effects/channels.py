"""Notification channels, such as e-mail, chat and pagers, and the route to each recipient.

The first message imports the channels, because they take time and memory.
"""

import logging
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import quote

from resumer_daemon.effects.shortage import is_short, is_shortage

WITH_HEADERS = ("json", "jsons", "xml", "xmls", "form", "forms")
"""Channels that carry HTTP headers. They send the message's Idempotency-Key."""


class NotTried(Exception):
    """This daemon has a shortage and could not use the channel. That is not an attempt."""


class Undelivered(Exception):
    """A channel did not accept a message. The text gives the channel's reason, if it has one."""


def deliver(address: str, message: str, key: str) -> None:
    """Deliver one message. This blocks, so call it in a thread.

    Raises:
        Undelivered: The channel did not accept it.
        NotTried: This daemon has a shortage.
    """
    import apprise

    scheme = address.partition(":")[0].lower()
    if scheme in WITH_HEADERS:
        address += f"{'&' if '?' in address else '?'}+Idempotency-Key={key}"
    channel = apprise.Apprise.instantiate(address)
    if channel is None:
        raise Undelivered(f"the route's address is not a channel: {scheme}://...")
    with _LastWarning() as warning:
        try:
            accepted = channel.notify(body=message, notify_type=apprise.NotifyType.INFO)
        except Exception as error:  # apprise has a hundred channels: none may stop the others
            if is_shortage(error):
                raise NotTried(f"{scheme}: {type(error).__name__}") from error
            raise Undelivered(f"{scheme}: {type(error).__name__}") from error
    if not accepted and is_short():
        raise NotTried(f"{scheme}: this daemon has no free file descriptor")
    if not accepted:
        raise Undelivered(f"{scheme}: {warning.text or 'not accepted'}")


class _LastWarning(logging.Handler):
    """The last warning that the channel logged in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.text = record.getMessage()

    def __enter__(self) -> "_LastWarning":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


class Routes:
    """Patterns of recipients and the channel address of each, in the order of the settings.

    In an address, `{recipient}` is the whole recipient and `{target}` the part after its first
    colon. Both are quoted for a URL, so that a definition cannot lead to another channel.
    """

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._routes = routes

    def address(self, recipient: str, channel: str | None) -> str | None:
        """Return the address of a recipient, or None if no route matches.

        For a message with a `channel`, match `channel:recipient` first, then the recipient alone.
        """
        names = [f"{channel}:{recipient}", recipient] if channel else [recipient]
        for name in names:
            for pattern, address in self._routes.items():
                if fnmatchcase(name, pattern):
                    target = name.partition(":")[2] or name
                    return address.replace("{recipient}", quote(recipient, safe="")).replace(
                        "{target}", quote(target, safe="")
                    )
        return None
