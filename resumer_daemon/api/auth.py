"""Authentication: who the bearer is, what it may do, and in which organization."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import UUID

import jwt

from resumer_daemon.config import Network
from resumer_daemon.store.session import Pool
from resumer_daemon.store.tokens import find_credential, read_time
from resumer_daemon.workflow.values import load, storable


class Permission(StrEnum):
    """What a caller may do; the service knows each as `execution:<verb>`."""

    READ = "read"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"

    @property
    def scope(self) -> str:
        """The name that tokens, keys and claims hold."""
        return f"execution:{self}"


LEGACY = frozenset({Permission.PAUSE, Permission.RESUME})
"""What an older `execution:cancel` allows too, where the settings say so."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One who was recognised.

    `identity` tells callers apart, `actor` goes into the record. Without `everywhere` it reaches
    what is of its organisation and nothing else; without an organisation then, where there are
    some, nothing.
    """

    identity: str
    actor: str
    scopes: frozenset[str]
    organization: UUID | None = None
    everywhere: bool = False

    def may(self, permission: Permission, *, legacy: bool) -> bool:
        """Tell whether it may; `legacy`: its right to cancel counts for the younger rights."""
        if legacy and permission in LEGACY and Permission.CANCEL.scope in self.scopes:
            return True
        return permission.scope in self.scopes


ALGORITHMS = ["HS256"]  # and `none` never
LONGEST_JWT = 200  # characters of a name
NAMES = ("sub", "user_id", "username", "email")
"""The claims that say who it is; the first that is there names the actor."""

# Only what says until when is needed. Of the rest, the service writes what it likes. PyJWT would
# compare the times with this machine's clock.
CHECKS: Any = {
    "require": ["exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
}


def read_jwt(token: str, secret: str, now: float) -> Caller | None:
    """Return whom a token speaks for; None where it is forged, expired or not understood.

    `now` is the database's time, in seconds since 1970.
    """
    try:
        claims = jwt.decode(token, secret, algorithms=ALGORITHMS, options=CHECKS)
        if not int(claims.get("nbf", 0)) <= now < int(claims["exp"]):
            return None
        organization = claims.get("organization_id")
        of = None if organization is None else UUID(str(organization))
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    name = storable(next((str(claims[name]) for name in NAMES if claims.get(name)), "unnamed"))
    scopes = frozenset(jwt_texts(claims.get("permissions")))
    return Caller(f"user:{of}:{name}", f"user:{name[:LONGEST_JWT]}", scopes, of)


def jwt_texts(found: object) -> list[str]:
    """Return the texts of a list; of anything else, none."""
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


DOTS = 2  # of a JWT
LONGEST_TOKEN = 8_192  # characters


@dataclass(frozen=True, slots=True)
class Credentials:
    """Recognises callers. Without `jwt_secret` no JWT is worth anything."""

    sessions: Pool
    jwt_secret: str | None

    async def recognise(self, authorization: str) -> Caller | None:
        """Return the caller of an `Authorization` header; None where it is worth nothing.

        Raises psycopg's errors where the database is away.
        """
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or len(key) > LONGEST_TOKEN:
            return None
        if key.count(".") == DOTS and self.jwt_secret is not None:
            async with self.sessions.session() as session:
                return read_jwt(key, self.jwt_secret, await read_time(session))
        async with self.sessions.session() as session:
            holder = await find_credential(session, key)
        if holder is None:
            return None
        return Caller(
            holder.identity,
            holder.actor,
            frozenset(jwt_texts(load(holder.permissions or "null"))),
            holder.organization,
            holder.everywhere,
        )


SITE = 64  # bits of an IPv6 address that one customer has to himself


class Proxies:
    """Networks of proxies. `X-Forwarded-For` counts only where one of them has written it."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return who is asking: the rightmost address that is not a trusted proxy's.

        `forwarded`: the values of all headers `X-Forwarded-For`, in their order. What a client
        writes itself stands further left, and is not believed. An IPv6 client is its network.
        """
        hops = [hop for value in forwarded for hop in value.split(",")]
        found = _address(peer)
        while found is not None and self._trusts(found) and hops:
            further = _address(hops.pop())
            if further is None:
                break
            found = further
        return peer if found is None else _site(found)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address that may have a port; None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _site(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    site = ip_network((int(address), SITE), strict=False)
    return str(site if isinstance(site, IPv6Network) else address)
