"""Where sessions come from: one place knows the URL, the schema and the zone."""

from dataclasses import dataclass

from resumer_daemon.store.connect import Connection, connect, settle_pooled
from resumer_daemon.store.contract import probe
from resumer_daemon.store.deadline import answered
from resumer_daemon.store.role import read_role
from resumer_daemon.store.session import ServicePath, Session
from resumer_daemon.store.statements import load


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the service, and how its zone-less times are meant."""

    url: str
    schema: str = "public"
    timezone: str = "UTC"

    async def session(self, name: str = "resumer-daemon", *, reads: bool = False) -> Session:
        """Open a session, with the service's columns probed. One that `reads` may be of a standby.

        Raises:
            Unreachable: The server does not answer.
            ContractError: The tables are not as needed, or rows of them may be hidden from us.
        """
        connection = await connect(self.url, name=name, reads=reads)
        try:
            return await self.opened(connection)
        except BaseException:  # whoever is cancelled leaves no connection either
            await connection.close()
            raise

    async def opened(self, connection: Connection) -> Session:
        """Make a session of a connection that was prepared. Errors as `session`."""
        async with answered(connection):
            return await self._opened(connection)

    async def _opened(self, connection: Connection) -> Session:
        await settle_pooled(connection)
        features = await probe(connection, self.schema)
        cursor = await connection.execute(load("read_path", schema=self.schema))
        foreign = ServicePath(*(await cursor.fetchone() or ("", False)))
        pooled = connection.prepare_threshold is None
        role = await read_role(connection, self.schema)
        role.require_sight()
        session = Session(connection, features, foreign, self.schema, self.timezone, pooled, role)
        if not pooled:
            await session.settle(local=False)
        await connection.commit()
        return session
