"""Which channel a notification's recipient is reached by: the first route whose pattern fits."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import quote


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
