"""Notification channels: e-mail, chat, pagers and others, and the route to each recipient.

The channels take time and memory to import, so the first message imports them.
"""

import logging
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import quote

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


class Routes:
    """Patterns of recipients, each with the address of its channel, in the order of the settings.

    In an address, `{recipient}` is the whole recipient and `{target}` what follows its first colon,
    both quoted for a URL: nothing that a definition says can lead to another channel.
    """

    def __init__(self, routes: Mapping[str, str]) -> None:
        self._routes = routes

    def address(self, recipient: str, channel: str | None) -> str | None:
        """Return the address of a recipient; None where no route fits.

        A message for a `channel` is for `channel:recipient` first, then for the recipient alone.
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
