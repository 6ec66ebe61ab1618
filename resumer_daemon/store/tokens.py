"""Tokens for HTTP: made and shown once, kept as their SHA-256, found by it."""

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

PREFIX = "resumer_"  # by which a scanner for leaked secrets can tell one
ENTROPY = 32  # bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """Who holds a key, as the database has it. `permissions` is JSON, if anything.

    `everywhere`: it is good for all organisations.
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
    """Create a token that expires after `seconds`, if ever; return it and what is kept of it.

    Without an organisation it is good for all of them.

    Raises:
        Refused: Another token in force has the name, or the database has no organisations.
    """
    if organization is not None and "organization" not in session.features:
        raise OperationRefused("this database has no organisations")
    token = PREFIX + token_urlsafe(ENTROPY)
    facts = {
        "name": name,
        "sha256": fingerprint(token),
        "permissions": array(permissions),
        "organization": organization,
        "seconds": seconds,
    }
    async with session.transaction():
        cursor = await session.run("tokens.create_token", facts)
        row = await cursor.fetchone()
    if row is None:
        raise OperationRefused(
            f"a token named {name!r} is in force: revoke it, or choose another name"
        )
    return token, row


async def list_tokens(session: Session) -> list[dict[str, Any]]:
    """Return what is kept of all tokens, oldest first."""
    async with session.transaction():
        cursor = await session.run("tokens.list_tokens")
        return await cursor.fetchall()


async def revoke(session: Session, name: str) -> None:
    """Revoke a token.

    Raises:
        Refused: None of that name is in force.
    """
    async with session.transaction():
        cursor = await session.run("tokens.revoke_token", {"name": name})
        if await cursor.fetchone() is None:
            raise OperationRefused(
                f"no token named {name!r} is in force\n  resumer-daemon token list"
            )


async def find_holder(session: Session, key: str) -> Credential | None:
    """Return who holds a key that is in force: a token of ours, or a key of the service."""
    hashed = fingerprint(key)
    async with session.transaction():
        cursor = await session.run(
            "tokens.find_credential", {"sha256": hashed}, class_row(Credential)
        )
        found = await cursor.fetchall()
    return next((holder for holder in found if compare_digest(holder.sha256, hashed)), None)


async def server_time(session: Session) -> float:
    """Return the database's time, in seconds since 1970."""
    async with session.transaction():
        cursor = await session.run("tokens.read_time")
        [row] = await cursor.fetchall()
        now: float = row["now"]
        return now
