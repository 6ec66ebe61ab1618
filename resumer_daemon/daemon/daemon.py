"""The composition root: what a daemon is made of, and the order in which it starts and stops."""

import asyncio
import gc
import signal
from collections.abc import Collection
from functools import partial
from time import monotonic
from uuid import UUID, uuid4

import structlog

from resumer_daemon.api.app import Health, build_app
from resumer_daemon.api.auth import Credentials, Proxies
from resumer_daemon.api.dependencies import ApiContext
from resumer_daemon.api.server import Server
from resumer_daemon.config import Settings
from resumer_daemon.daemon.after_commit import AfterCommit
from resumer_daemon.daemon.background import Background, Task
from resumer_daemon.daemon.batch import BatchProcessor
from resumer_daemon.daemon.effect_runner import EffectRunner
from resumer_daemon.daemon.effect_sender import EffectSender
from resumer_daemon.daemon.heartbeat import Heartbeat, Instance
from resumer_daemon.daemon.instrumentation import Tracing
from resumer_daemon.daemon.isolation import Isolation
from resumer_daemon.daemon.lease_transactions import LeaseTransactions
from resumer_daemon.daemon.listener import Listener
from resumer_daemon.daemon.maintenance import (
    InstanceReaper,
    NotifyQueueGuard,
    TriggerWatch,
    background_tasks,
)
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.daemon.outbox import OutboxDispatcher
from resumer_daemon.daemon.polling import Wakeup
from resumer_daemon.daemon.scan_window import ScanWindow, StatusReader
from resumer_daemon.daemon.suspects import Suspects
from resumer_daemon.daemon.worker import OverflowWorker, Worker
from resumer_daemon.effects.address_guard import Guard
from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.effects.channels import Routes
from resumer_daemon.effects.http_client import HttpClient
from resumer_daemon.effects.http_message import Signer
from resumer_daemon.store.definition_cache import DefinitionCache
from resumer_daemon.store.gauges import Gauges, PoolGauges
from resumer_daemon.store.leases import LeaseOwner, silence
from resumer_daemon.store.session import Database, Pool
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()

HTTP_SESSIONS = 4  # connections of the HTTP API, none of which does the daemon's work
CANCEL_AGAIN = 1.0  # seconds until a task that goes on is cancelled again
GRACE = 5.0  # seconds beyond the drain timeout to expire the leases of what did not end in time
GC_THRESHOLDS = 50_000, 20, 20  # see `tune_gc`


class Daemon:
    """One running daemon. `run` returns when it was stopped and all its work is recorded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._database = Database(
            settings.url, settings.service_schema, settings.service_timezone, settings.audit
        )
        self._pool = Pool(self._database, settings.pool_size)
        self._http_sessions = Pool(self._database, HTTP_SESSIONS)
        self._wakeup = Wakeup(settings.poll_interval)
        self._owner = LeaseOwner(uuid4(), settings.lease, settings.effect_deadline)
        self._instance = Instance(self._database, self._owner, settings)
        self._heartbeat = Heartbeat(
            settings.url, self._instance, silence(settings.lease), self._declared_dead
        )
        self._tracing = build_tracing(settings, self._instance.id)
        self._definitions = DefinitionCache()
        self._newer = NewerStates()
        self._effects = self._build_effects()
        self._outbox = build_outbox(settings, self._pool, self.metrics)
        self._worker = self._build_worker()
        self._listener = Listener(settings, self.metrics, self._wakeup)
        self._background = Background(self._pool, self.metrics, self._wakeup, self._worker.migrated)
        self._tasks = self._build_tasks()
        self._gauges = Gauges(settings.url)
        self._register_gauges()
        self.server = self._build_server()
        self.listening = self._listener.listening
        self._stops = 0
        self._drain_until = 0.0
        self._main: asyncio.Task[None] | None = None

    def _build_effects(self) -> EffectRunner:
        transactions = LeaseTransactions(
            self._pool, self._definitions, self.settings, self._owner, self.metrics, self._newer
        )
        sender = EffectSender(
            build_http_client(self.settings),
            self._pool,
            self.settings,
            self._owner,
            self._heartbeat,
            self.metrics,
            self._tracing,
        )
        return EffectRunner(transactions, sender, self.settings, self._heartbeat, self._wakeup)

    def _build_worker(self) -> Worker:
        suspects, window = Suspects(), ScanWindow()
        build_batches = partial(
            BatchProcessor,
            self.settings,
            self._definitions,
            self._owner,
            self._effects.capacity,
            window,
            suspects,
            self._newer,
        )
        beside = build_batches(full_scans=True)
        follow_up = AfterCommit(self.metrics, self._tracing, suspects, self._effects).follow_up
        return Worker(
            self._database,
            self.settings,
            self.metrics,
            self._wakeup,
            build_batches(reader=StatusReader(self.settings)),
            OverflowWorker(self._database, beside, follow_up),
            Isolation(self._database, beside, suspects, self.metrics, follow_up),
            follow_up,
            self._effects,
            self._outbox,
        )

    def _build_tasks(self) -> list[Task]:
        return background_tasks(
            self.settings,
            TriggerWatch(
                self.metrics,
                self._background.hasten,
                enforces=self.settings.decision_guard == "enforce",
            ),
            NotifyQueueGuard(self.settings.notify),
            InstanceReaper(silence(self.settings.lease), self.metrics, self._wakeup),
        )

    def _register_gauges(self) -> None:
        self.metrics.incompatible_executions.set_function(lambda: len(self._newer.executions))
        self.metrics.registry.register(self._gauges)
        self.metrics.registry.register(PoolGauges(self._pool))

    def _build_server(self) -> Server:
        health = Health(
            lambda: self._worker.healthy,
            self.metrics.registry,
            self._gauges.refresh,
            self._gauges.commits_hang,
            lambda: self._worker.awaits_migration,
        )
        context = build_api_context(self.settings, self._http_sessions)
        return Server(build_app(health, context, self.metrics.http_requests), self.settings)

    async def run(self) -> None:
        """Run until `stop`. The database may be away for a while."""
        self._main = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        await self.server.start()
        await self._pool.open()
        await self._http_sessions.open()
        self._heartbeat.start()
        log.info("started", http=self.server.address, instance=str(self._instance.id))
        try:
            await self._work()
        finally:
            await self.server.stop()
            await self._heartbeat.stop()
            await self._instance.unregister()
            await self._pool.close()
            await self._http_sessions.close()
            await self._gauges.close()
            if self._tracing is not None:
                await asyncio.to_thread(self._tracing.close)
            log.info("stopped")

    async def _work(self) -> None:
        """Run the worker, then drain. The background tasks run until the drain is over."""
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._instance.register()),
                group.create_task(self._gauges.refresh()),  # so that the first scrape is quick
                group.create_task(self._listener.run()),
                *(group.create_task(self._background.repeat(task)) for task in self._tasks),
            ]
            try:
                await self._worker.run()
                await self._effects.drain(self._drain_seconds())
                if self._outbox is not None:
                    await self._outbox.drain(self._drain_seconds())
            finally:
                await _cancel(background)

    def stop(self) -> None:
        """Drain at the first call. End at once at the second: another daemon takes over."""
        self._stops += 1
        if self._stops == 1:
            log.info("draining", timeout=self.settings.drain_timeout)
            self._worker.stop()
            self._drain_until = monotonic() + self.settings.drain_timeout
            asyncio.get_running_loop().call_later(self.settings.drain_timeout + GRACE, self._end)
        else:
            self._end()

    def stop_on_signals(self) -> None:
        """Stop on SIGTERM and SIGINT. As process 1 of a container there is no default handler."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _declared_dead(self) -> None:
        """Abandon what others have taken over. The thread of the heartbeat calls this."""
        self._loop.call_soon_threadsafe(self._register_again)

    def _register_again(self) -> None:
        log.error("declared_dead", instance=str(self._instance.id))
        self._effects.abandon()
        self._registering = self._loop.create_task(self._instance.register_again())

    def _drain_seconds(self) -> float:
        return max(0.0, self._drain_until - monotonic())

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()


def tune_gc() -> None:
    """Collect garbage less often in this process, and never look through what is loaded now.

    A batch makes thousands of values that live until its end. Python's default threshold of 700
    would look through them so often that it costs a fifth of a busy daemon.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def build_outbox(settings: Settings, pool: Pool, metrics: Metrics) -> OutboxDispatcher | None:
    """Build the delivery of notifications, None where the settings name no route."""
    if not settings.notification_routes:
        return None
    routes = Routes(
        {fits: url.get_secret_value() for fits, url in settings.notification_routes.items()}
    )
    return OutboxDispatcher(pool, routes, settings.notification_attempts, settings.lease, metrics)


def build_tracing(settings: Settings, instance: UUID) -> Tracing | None:
    """Build the export of spans, None where the settings name no collector."""
    endpoint = settings.otlp_endpoint
    return None if endpoint is None else Tracing(endpoint, instance)


def build_http_client(settings: Settings) -> HttpClient:
    """Build the client that sends webhooks: only to allowed hosts, signed if there is a secret."""
    secret = settings.webhook_secret
    signer = None if secret is None else Signer(secret.get_secret_value())
    return HttpClient(Guard(read_allow_list(settings.http_allow)), settings.secret, signer=signer)


def build_api_context(settings: Settings, sessions: Pool) -> ApiContext:
    """Build what the routes of the HTTP API depend on."""
    secret = settings.jwt_secret
    credentials = Credentials(sessions, None if secret is None else secret.get_secret_value())
    return ApiContext(
        sessions,
        credentials,
        settings.legacy_permissions,
        settings.http_rate_limit,
        Proxies(settings.http_trusted_proxies),
    )


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended. A task that waits for a pooled connection may miss one call."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)
