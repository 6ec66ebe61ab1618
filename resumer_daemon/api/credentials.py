"""Who a bearer is: a token of ours, a key of the service, or a JWT of the service."""

from dataclasses import dataclass

from resumer_daemon.api.caller import Caller
from resumer_daemon.api.service_jwt import read, texts
from resumer_daemon.store.session import Pool
from resumer_daemon.store.tokens import find_holder, server_time
from resumer_daemon.workflow.values import load

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
                return read(key, self.jwt_secret, await server_time(session))
        async with self.sessions.session() as session:
            holder = await find_holder(session, key)
        if holder is None:
            return None
        return Caller(
            holder.identity,
            holder.actor,
            frozenset(texts(load(holder.permissions or "null"))),
            holder.organization,
            holder.everywhere,
        )
