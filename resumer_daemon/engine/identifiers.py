"""Deterministic ids and idempotency keys.

The same place in the same run has the same ids, so a repeated advance changes nothing.
"""

from base64 import b32encode
from hashlib import sha256
from uuid import UUID

from resumer_daemon.engine.inputs import AdvanceInputs


def segment(step_id: str) -> str:
    """Return a step's id as part of a path, escaped so that paths are unambiguous."""
    if "/" in step_id or "~" in step_id or "#" in step_id:
        return step_id.replace("~", "~0").replace("/", "~1").replace("#", "~2")
    return step_id


def digest(inputs: AdvanceInputs, path: str, visit: int, index: str) -> bytes:
    """Return the hash that the ids of an action are made of. Attempts do not change it."""
    text = f"{inputs.execution_id}\n{inputs.pause_number}\n{visit}\n{index}\n{path}"
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def effect_key(made_of: bytes) -> str:
    """Return the Idempotency-Key of an effect, or the key of an outbox message."""
    return b32encode(made_of).decode("ascii").rstrip("=").lower()


def approval_id(made_of: bytes) -> UUID:
    """Return the primary key of an approval."""
    return UUID(bytes=made_of[:16], version=5)


def request_id(made_of: bytes) -> str:
    """Return the public name of an approval."""
    return f"appr_{made_of[16:24].hex()}"
