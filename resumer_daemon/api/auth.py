"""Authentication: the caller behind a token, its permissions and its organization."""

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
    """A permission of a caller. The service calls each `execution:<verb>`."""

    READ = "read"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"

    @property
    def scope(self) -> str:
        """The name of the permission in tokens, API keys and JWT claims."""
        return f"execution:{self}"


LEGACY = frozenset({Permission.PAUSE, Permission.RESUME})
"""Permissions that `execution:cancel` includes if RESUMER_LEGACY_PERMISSIONS is set."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `identity` distinguishes callers. `actor` goes into the record. Without `everywhere`, the caller
    reaches only its organization, and nothing if it has none.
    """

    identity: str
    actor: str
    scopes: frozenset[str]
    organization: UUID | None = None
    everywhere: bool = False

    def may(self, permission: Permission, *, legacy: bool) -> bool:
        """Tell whether the caller has a permission. `legacy`: cancel includes pause and resume."""
        if legacy and permission in LEGACY and Permission.CANCEL.scope in self.scopes:
            return True
        return permission.scope in self.scopes


ALGORITHMS = ["HS256"]  # never `none`
LONGEST_JWT = 200  # characters of a name
NAMES = ("sub", "user_id", "username", "email")
"""Claims that name the user. The first one present becomes the actor."""

# Only `exp` is required, because services differ in the other claims. PyJWT would compare times
# with this machine's clock instead of the database's.
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
    """Return the caller of a JWT; None if it is forged, expired or malformed.

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
    """Return the texts in a list. For anything else, return an empty list."""
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


DOTS = 2  # of a JWT
LONGEST_TOKEN = 8_192  # characters


@dataclass(frozen=True, slots=True)
class Credentials:
    """Authenticates callers. Without `jwt_secret` every JWT is invalid."""

    sessions: Pool
    jwt_secret: str | None

    async def recognise(self, authorization: str) -> Caller | None:
        """Return the caller of an `Authorization` header; None if it is invalid.

        Raises:
            psycopg.Error: The database does not respond.
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


SITE = 64  # bits of the IPv6 network that one customer gets


class Proxies:
    """Trusted proxy networks. `X-Forwarded-For` counts only if one of them sent it."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the client: the rightmost address that is not a trusted proxy.

        `forwarded`: the values of all headers `X-Forwarded-For`, in order. Addresses further left
        may be forged by the client. An IPv6 client is represented by its /64 network.
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
    """Return an address without its port; None if it is malformed."""
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
