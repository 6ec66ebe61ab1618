"""This process among others: registered while it runs, known by an id that is never used again."""

import socket
from uuid import UUID, uuid4

import psycopg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from resumer_daemon import __version__
from resumer_daemon.config import Settings
from resumer_daemon.engine.state import VERSION
from resumer_daemon.errors import ResumerError
from resumer_daemon.store.leases import Holder, silence
from resumer_daemon.store.session import Database
from resumer_daemon.telemetry.logs import said

log = structlog.get_logger()


class Instance:
    """One daemon process. A host name or process id would come again; the id does not."""

    def __init__(self, database: Database, holder: Holder, settings: Settings) -> None:
        self.registered = False
        self._database = database
        self._holder = holder
        self._settings = settings

    @property
    def id(self) -> UUID:
        """The id under which it takes leases."""
        return self._holder.instance

    async def register_anew(self) -> None:
        """Come back as somebody else, for we were called dead."""
        self._holder.instance = uuid4()
        await self.register()

    async def register(self) -> None:
        """Say that we are there, as soon as the database hears it."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.Error, ResumerError)),
            wait=wait_exponential_jitter(multiplier=0.5, max=30.0),
        ):
            with attempt:
                await self._say(
                    "register_instance",
                    notify=self._settings.notify,
                    guard=self._settings.decision_guard,
                    closed=self._settings.closed_status,
                    document_bytes=self._settings.document_bytes,
                    event_capture=self._settings.event_capture,
                    adopt_within=self._settings.adopt_within,
                    timezone=self._database.timezone,
                    host=socket.gethostname(),
                    version=__version__,
                    silence=silence(self._holder.lease),
                    state_version=VERSION,
                )
                self.registered = True

    async def retire(self) -> None:
        """Say that we are gone; nobody depends on hearing it."""
        try:
            await self._say("retire_instance")
        except (psycopg.Error, ResumerError) as error:
            log.warning("retire_failed", error=said(error))

    async def _say(self, statement: str, **facts: object) -> None:
        session = await self._database.session("resumer-instance")
        async with session.connection, session.transaction():
            await session.run(statement, {"id": self.id, **facts})
