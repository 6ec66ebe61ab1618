"""Signatures by which a receiver knows that a request is ours: the Standard Webhooks form."""

import hmac
from base64 import b64decode, b64encode
from typing import Final

from resumer_daemon.errors import SettingsError

_PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64


class Signer:
    """Signs requests with one secret, or with a new and an old one while they are exchanged."""

    def __init__(self, secrets: str) -> None:
        """Take `whsec_` and base64 of 24 to 64 bytes; several are separated by blanks.

        Raises:
            SettingsError: It is anything else. The message does not hold it.
        """
        self._keys = [_key(secret) for secret in secrets.split()]
        if not self._keys:
            raise _wrong()

    def headers(self, key: str, body: bytes, now: float) -> dict[str, str]:
        """Return the three headers; `now` is the time of this attempt in seconds since 1970."""
        sent_at = str(int(now))
        content = f"{key}.{sent_at}.".encode() + body
        signed = (b64encode(hmac.digest(each, content, "sha256")) for each in self._keys)
        return {
            "Webhook-Id": key,
            "Webhook-Timestamp": sent_at,
            "Webhook-Signature": " ".join(f"v1,{each.decode()}" for each in signed),
        }


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise _wrong() from None
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise _wrong()
    return key


def _wrong() -> SettingsError:
    return SettingsError("a webhook secret is whsec_ and base64 of 24 to 64 bytes")
