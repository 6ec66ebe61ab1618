"""Carries out one attempt of an effect: timed, told to the log, part of its trace."""

from collections.abc import Mapping
from functools import partial
from time import monotonic

import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.proceeding import Held
from resumer_daemon.daemon.tracing import Tracing
from resumer_daemon.effects.http_client import HttpClient, load_context
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.telemetry.metrics import Metrics

log = structlog.get_logger()


class Carrier:
    """Carries out what is due now; whether it is, others decide (`sender.py`)."""

    def __init__(
        self, client: HttpClient, settings: Settings, metrics: Metrics, tracing: Tracing | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing

    async def carry_out(self, held: Held, effect: Effect) -> EffectResult:
        """Make one attempt, within the effect's deadline; a failure is a result."""
        began = monotonic()
        if self._tracing is None or held.trace is None:
            result = await self._do(held, effect, {})
        else:
            with self._tracing.sending(held.trace, held.execution, effect) as sending:
                result = await self._do(held, effect, sending.headers)
                sending.error = result.error
        seconds = monotonic() - began
        self._metrics.effect_duration.labels(effect.kind).observe(seconds)
        log.debug(
            "effect_attempted",
            execution=str(held.execution),
            epoch=held.epoch,
            step=effect.path,
            kind=effect.kind,
            key=effect.key,
            attempt=effect.attempt,
            outcome=result.retry_class or ("failed" if result.error else "done"),
            seconds=round(seconds, 3),
        )
        return result

    async def _do(self, held: Held, effect: Effect, trace: Mapping[str, str]) -> EffectResult:
        secrets = partial(self._settings.secret, organization=held.organization)
        client = self._client.using(secrets)
        if effect.kind == "webhook":
            return await client.send(effect, deadline=self._deadline(effect), trace=trace)
        result = await load_context(
            client,
            effect,
            attempts=self._settings.context_attempts,
            patience=self._settings.context_timeout,
            deadline=self._settings.effect_deadline,
            trace=trace,
        )
        if result.error:
            log.warning("context_not_loaded", path=effect.path, error=result.error)
        return result

    def _deadline(self, effect: Effect) -> float:
        if effect.deadline is None:
            return self._settings.effect_deadline
        return min(self._settings.effect_deadline, max(0.0, effect.deadline - effect.delay))
