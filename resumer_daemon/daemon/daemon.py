"""The composition root: what a daemon is made of, and the order in which it starts and stops."""

import asyncio
import gc
import signal
from collections.abc import Collection
from time import monotonic
from uuid import UUID, uuid4

import structlog

from resumer_daemon.api.app import Health, build_app
from resumer_daemon.api.auth import Credentials, Proxies
from resumer_daemon.api.dependencies import ApiContext
from resumer_daemon.api.server import Server
from resumer_daemon.config import Settings
from resumer_daemon.daemon.after_commit import AfterCommit
from resumer_daemon.daemon.background import Background
from resumer_daemon.daemon.batch import BatchProcessor
from resumer_daemon.daemon.effect_runner import EffectRunner
from resumer_daemon.daemon.effect_sender import EffectSender
from resumer_daemon.daemon.heartbeat import Heartbeat, Instance
from resumer_daemon.daemon.instrumentation import Tracing
from resumer_daemon.daemon.isolation import Isolation
from resumer_daemon.daemon.leased import LeasedExecutions
from resumer_daemon.daemon.listener import Listener
from resumer_daemon.daemon.maintenance import (
    InstanceReaper,
    NotifyQueueGuard,
    TriggerWatch,
    background_tasks,
)
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.outbox import OutboxDispatcher
from resumer_daemon.daemon.polling import ScanWindow, StatusReader, Wakeup
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.daemon.worker import OverflowWorker, Worker
from resumer_daemon.effects.address_guard import Guard
from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.effects.channels import Routes
from resumer_daemon.effects.http_client import HttpClient
from resumer_daemon.effects.http_message import Signer
from resumer_daemon.store.gauges import Gauges, PoolGauges
from resumer_daemon.store.inputs import DefinitionCache
from resumer_daemon.store.leases import LeaseOwner, silence
from resumer_daemon.store.session import Database, Pool
from resumer_daemon.telemetry.metrics import Metrics

YOUNG, MIDDLE, OLD = 50_000, 20, 20


def tune_gc() -> None:
    """Keep what is loaded out of every look, and look less often. For the whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def build_dispatcher(settings: Settings, pool: Pool, metrics: Metrics) -> OutboxDispatcher | None:
    """Return who delivers notifications, where there are routes."""
    if not settings.notification_routes:
        return None
    routes = Routes(
        {fits: url.get_secret_value() for fits, url in settings.notification_routes.items()}
    )
    return OutboxDispatcher(pool, routes, settings.notification_attempts, settings.lease, metrics)


def build_tracing(settings: Settings, instance: UUID) -> Tracing | None:
    """Return who tells moves to a collector, where there is one."""
    endpoint = settings.otlp_endpoint
    return None if endpoint is None else Tracing(endpoint, instance)


def build_http_client(settings: Settings) -> HttpClient:
    """Return who sends webhooks: to allowed hosts, and signed where there is a secret."""
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    return HttpClient(Guard(read_allow_list(settings.http_allow)), settings.secret, signer=signer)


log = structlog.get_logger()

HTTP_SESSIONS = 4  # connections that answer people, none of which does the daemon's work
AGAIN = 1.0  # seconds until a task that goes on is cancelled again
GRACE = 5.0  # to hand over what did not end within the drain timeout


class Daemon:
    """One running daemon. `run` returns when it was stopped and what it held is recorded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        database = Database(settings.url, settings.service_schema, settings.service_timezone)
        self._database = database
        wakeup = Wakeup(settings.poll_interval)
        library = DefinitionCache()
        holder = LeaseOwner(uuid4(), settings.lease, settings.effect_deadline)
        self._instance = Instance(database, holder, settings)
        silent = silence(settings.lease)
        self._heartbeat = Heartbeat(settings.url, self._instance, silent, self._called_dead)
        self._pool = Pool(database, settings.pool_size)
        newer = NewerStates()
        self.metrics.incompatible_executions.set_function(lambda: len(newer.executions))
        proceeding = LeasedExecutions(self._pool, library, settings, holder, self.metrics, newer)
        client = build_http_client(settings)
        self._tracing = build_tracing(settings, self._instance.id)
        sender = EffectSender(
            client, self._pool, settings, holder, self._heartbeat, self.metrics, self._tracing
        )
        self._effector = EffectRunner(proceeding, sender, settings, self._heartbeat, wakeup)
        suspects = Suspects()
        follow_up = AfterCommit(self.metrics, self._tracing, suspects, self._effector).follow_up
        capacity, window = self._effector.capacity, ScanWindow()
        given = settings, library, holder, capacity, window, suspects, newer
        batches = BatchProcessor(*given, reader=StatusReader(settings))
        beside = BatchProcessor(*given, full_scans=True)
        self._courier = build_dispatcher(settings, self._pool, self.metrics)
        self._worker = Worker(
            database,
            settings,
            self.metrics,
            wakeup,
            batches,
            OverflowWorker(database, beside, follow_up),
            Isolation(database, beside, suspects, self.metrics, follow_up),
            follow_up,
            self._effector,
            self._courier,
        )
        self._listener = Listener(settings, self.metrics, wakeup)
        self._background = Background(self._pool, self.metrics, wakeup)
        enforces = settings.decision_guard == "enforce"
        watch = TriggerWatch(self.metrics, self._background.hasten, enforces=enforces)
        rescuer = InstanceReaper(silent, self.metrics, wakeup)
        self._tasks = background_tasks(settings, watch, NotifyQueueGuard(settings.notify), rescuer)
        self._gauges = Gauges(settings.url)
        self.metrics.registry.register(self._gauges)
        self.metrics.registry.register(PoolGauges(self._pool))
        health = Health(
            lambda: self._worker.healthy,
            self.metrics.registry,
            self._gauges.refresh,
            self._gauges.commits_hang,
        )
        self._sessions = Pool(database, HTTP_SESSIONS)
        app = build_app(health, _doors(settings, self._sessions), self.metrics.http_requests)
        self.server = Server(app, settings)
        self.listening = self._listener.listening
        self._stops = 0
        self._deadline = 0.0
        self._main: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until `stop`; the database may come and go meanwhile."""
        self._main = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        await self.server.start()
        await self._pool.open()
        await self._sessions.open()
        self._heartbeat.start()
        log.info("started", http=self.server.address, instance=str(self._instance.id))
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self._instance.register()),
                    group.create_task(self._gauges.refresh()),  # so that the first scrape is quick
                    group.create_task(self._listener.run()),
                    *(group.create_task(self._background.repeat(task)) for task in self._tasks),
                ]
                try:
                    await self._worker.run()
                    await self._effector.drain(self._until_end())
                    if self._courier is not None:
                        await self._courier.drain(self._until_end())
                finally:
                    await _end(background)
        finally:
            await self.server.stop()
            await self._heartbeat.stop()
            await self._instance.retire()
            await self._pool.close()
            await self._sessions.close()
            await self._gauges.close()
            if self._tracing is not None:
                await asyncio.to_thread(self._tracing.close)
            log.info("stopped")

    def stop(self) -> None:
        """First call: drain. Second: end now; another daemon takes up what is under way."""
        self._stops += 1
        if self._stops == 1:
            log.info("draining", timeout=self.settings.drain_timeout)
            self._worker.stop()
            self._deadline = monotonic() + self.settings.drain_timeout
            asyncio.get_running_loop().call_later(self.settings.drain_timeout + GRACE, self._end)
        else:
            self._end()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT stop us; as process 1 nobody else would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _called_dead(self) -> None:
        """Stop what others have taken over, and come back; called in the heartbeat's thread."""
        self._loop.call_soon_threadsafe(self._come_back)

    def _come_back(self) -> None:
        log.error("declared_dead", instance=str(self._instance.id))
        self._effector.abandon()
        self._coming = self._loop.create_task(self._instance.register_again())

    def _until_end(self) -> float:
        return max(0.0, self._deadline - monotonic())

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()


def _doors(settings: Settings, sessions: Pool) -> ApiContext:
    """Make what HTTP needs to let people in."""
    secret = settings.jwt_secret
    credentials = Credentials(sessions, None if secret is None else secret.get_secret_value())
    return ApiContext(
        sessions,
        credentials,
        settings.legacy_permissions,
        settings.http_rate_limit,
        Proxies(settings.http_trusted_proxies),
    )


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: who waits for a connection of the pool may miss one call."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=AGAIN)
