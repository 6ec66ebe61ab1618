"""API tokens: create, list, revoke and look up. The database stores only their SHA-256."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from resumer_daemon.errors import OperationRefused
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session

PREFIX = "resumer_"  # lets a scanner for leaked secrets recognize a token
ENTROPY = 32  # bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """The owner of a token or key. `permissions` is JSON or None.

    `everywhere`: it is valid for all organizations.
    """

    sha256: str
    identity: str
    actor: str
    permissions: str | None
    organization: UUID | None
    everywhere: bool


def fingerprint(text: str) -> str:
    """Return the hex SHA-256 of a text."""
    return sha256(text.encode(errors="replace")).hexdigest()


async def create(
    session: Session,
    name: str,
    permissions: Sequence[str],
    organization: UUID | None,
    seconds: float | None,
) -> tuple[str, dict[str, Any]]:
    """Create a token; return it and the stored row.

    It expires after `seconds`, never if that is None. Without an organization it is valid for all.

    Raises:
        OperationRefused: A valid token has the name, or the database has no organizations.
    """
    if organization is not None and "organization" not in session.features:
        raise OperationRefused("this database has no organizations")
    token = PREFIX + token_urlsafe(ENTROPY)
    facts = {
        "name": name,
        "sha256": fingerprint(token),
        "permissions": array(permissions),
        "organization": organization,
        "seconds": seconds,
    }
    async with session.transaction():
        row = await session.fetch_optional("tokens.create_token", facts)
    if row is None:
        raise OperationRefused(
            f"a valid token is named {name!r}: revoke it, or choose another name"
        )
    return token, row


async def list_tokens(session: Session) -> list[dict[str, Any]]:
    """Return the stored rows of all tokens, oldest first."""
    async with session.transaction():
        return await session.fetch_all("tokens.list_tokens")


async def revoke(session: Session, name: str) -> None:
    """Revoke a token.

    Raises:
        OperationRefused: No valid token has that name.
    """
    async with session.transaction():
        if await session.fetch_optional("tokens.revoke_token", {"name": name}) is None:
            raise OperationRefused(f"no valid token is named {name!r}\n  resumer-daemon token list")


async def find_credential(session: Session, key: str) -> Credential | None:
    """Return the owner of a valid token of the daemon or key of the service, or None."""
    hashed = fingerprint(key)
    async with session.transaction():
        cursor = await session.run(
            "tokens.find_credential", {"sha256": hashed}, class_row(Credential)
        )
        found = await cursor.fetchall()
    return next((each for each in found if compare_digest(each.sha256, hashed)), None)


async def read_time(session: Session) -> float:
    """Return the database's time, in seconds since 1970."""
    async with session.transaction():
        now: float = (await session.fetch_one("tokens.read_time"))["now"]
    return now
