"""Transactions of leased executions: record results, advance, take over, give up the lease."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from random import Random
from time import monotonic
from typing import Final
from uuid import UUID

import psycopg
import structlog
from msgspec.structs import replace
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from resumer_daemon.config import Settings
from resumer_daemon.daemon.instrumentation import record_moves
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.effects.retry_delays import next_delays, remaining_delays
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.moves import plan_undo
from resumer_daemon.engine.outcome import Effect, EffectResult, Incident
from resumer_daemon.engine.plan import PendingEffects, PinnedDefinition, Plan
from resumer_daemon.engine.planner import (
    REMEDIES,
    Definitions,
    only_repeats_effects,
    plan_after_effects,
    plan_ambiguous_effects,
    plan_beside_effects,
    plan_ended_elsewhere,
    plan_running_incident,
    plan_unreadable_after_effects,
)
from resumer_daemon.engine.state import DamagedState, State
from resumer_daemon.errors import Unreachable
from resumer_daemon.store import claim, leases, outbox
from resumer_daemon.store.claim import Batch, DocumentCache, UnreadableExecution
from resumer_daemon.store.definition_cache import DefinitionCache
from resumer_daemon.store.inputs import load_inputs
from resumer_daemon.store.leases import (
    LeasedExecution,
    LeaseOwner,
    RescuedLease,
    margin,
)
from resumer_daemon.store.quarantine import quarantine_first
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Pool, Session
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.workflow.values import load

log = structlog.get_logger()

MAX_TAKEOVERS: Final = 5
"""Takeovers without progress after which the execution becomes an incident."""


class LeaseTransactions:
    """Moves leased executions from one durable point to the next. The lease fences each write."""

    def __init__(
        self,
        pool: Pool,
        definitions: DefinitionCache,
        settings: Settings,
        owner: LeaseOwner,
        metrics: Metrics,
        newer: NewerStates,
    ) -> None:
        self._pool = pool
        self._definitions = definitions
        self._settings = settings
        self._owner = owner
        self._metrics = metrics
        self._newer = newer
        self._random = Random()  # noqa: S311 - jitter
        self._documents = DocumentCache()

    async def record(
        self, leased: LeasedExecution, results: Mapping[str, EffectResult]
    ) -> LeasedExecution | None:
        """Record results of effects by path, and advance to the next durable point.

        Return the execution as it goes on. None: it ended or paused, or its lease is lost.
        """
        return await self._advance(leased, results)

    async def advance_waiting_branches(self, leased: LeasedExecution) -> LeasedExecution | None:
        """Advance the branches that wait beside effects in flight, where their wait has ended.

        Return the execution as it goes on, which may be unchanged. None as with `record`.
        """
        if not await self._retries()(self._branches_may_advance, leased):
            return leased
        return await self._advance(leased, None)

    async def _advance(
        self, leased: LeasedExecution, results: Mapping[str, EffectResult] | None
    ) -> LeasedExecution | None:
        """Fence, plan, write and commit. Repeat while the database is unreachable.

        A commit can succeed although its response is lost. Its epoch then fences the repetition,
        which continues from what that commit recorded: one of `unconfirmed`.
        """
        unconfirmed: list[LeasedExecution] = []
        async for attempt in self._retries():
            with attempt:
                started = monotonic()
                async with self._pool.session() as session, session.transaction():
                    if not await leases.fence(session, leased.execution, leased.epoch):
                        return await self._recover_recorded(session, leased, unconfirmed)
                    plan = await self._plan(session, leased, results)
                    if plan is None:
                        return leased
                    following = await self._write_next(
                        session, leased, plan, results or {}, started
                    )
                    if following is not None:
                        unconfirmed.append(following)
                self._definitions.mark_stored([plan])
                if results is not None:
                    self._metrics.stages.labels("effects").observe(started - leased.recorded)
                    self._metrics.stages.labels("follow_up").observe(monotonic() - started)
                record_moves([(plan, "effect")], self._metrics)
                return leased if plan.status is None else following
        raise AssertionError("the last attempt returns or raises")

    def _retries(self) -> AsyncRetrying:
        """Return retries that end before the lease does, with half of its margin left."""
        return AsyncRetrying(
            retry=retry_if_exception_type((psycopg.OperationalError, Unreachable)),
            wait=wait_random(0.05, 0.5),
            stop=stop_after_delay(self._settings.lease - margin(self._settings.lease) / 2),
            reraise=True,
        )

    async def _branches_may_advance(self, leased: LeasedExecution) -> bool:
        """Check without a lock, because most checks find nothing."""
        async with self._pool.session() as session:
            branches = leased.pending.state.branches
            return await leases.branches_may_advance(session, leased.execution, branches)

    async def _recover_recorded(
        self, session: Session, leased: LeasedExecution, unconfirmed: Sequence[LeasedExecution]
    ) -> LeasedExecution | None:
        """Return what an earlier attempt recorded. None: the lease is lost."""
        for each in unconfirmed:
            if await leases.is_recorded(session, self._owner, each.execution, each.epoch):
                log.warning("commit_response_lost", execution=str(each.execution), epoch=each.epoch)
                return each
        self._metrics.fenced_writes.inc()
        log.warning("lease_lost", execution=str(leased.execution), epoch=leased.epoch)
        # if the lease is still ours, another program has ended the execution: end the lease too,
        # so that a rescue settles what that end leaves
        await leases.expire(session, {leased.execution: leased.epoch})
        return None

    async def _plan(
        self,
        session: Session,
        leased: LeasedExecution,
        results: Mapping[str, EffectResult] | None,
    ) -> Plan | None:
        """Plan from results; without them only for branches. None: no branch advances."""
        if results is not None:
            results = dict(results) | await self._write_records(session, leased, results)
        batch = await self._read(session)
        for row in batch.unreadable:
            if results is None:
                return None  # it stops when its effects end
            return plan_unreadable_after_effects(
                row.claimed, leased.pending, results, row.why, row.cause
            )
        [claimed] = batch.claimed
        elapsed = monotonic() - leased.recorded
        inputs = await self._inputs(session, claimed, leased.pending.pinned, elapsed, batch.now)
        if results is None:
            return plan_beside_effects(claimed, leased.pending, inputs)
        return plan_after_effects(claimed, leased.pending, results, inputs)

    async def _write_records(
        self, session: Session, leased: LeasedExecution, due: Collection[str]
    ) -> dict[str, EffectResult]:
        """Write the records whose paths are due. Return the result of each."""
        written = {}
        for effect in leased.pending.effects:
            if effect.kind == "record" and effect.path in due:
                result = written[effect.path] = await outbox.write(session, effect.request)
                self._metrics.effects.labels("record", "failed" if result.error else "done").inc()
        return written

    async def _write_next(
        self,
        session: Session,
        leased: LeasedExecution,
        plan: Plan,
        results: Mapping[str, EffectResult],
        started: float,
    ) -> LeasedExecution | None:
        """Write a plan. Return the execution as it goes on; None if it has no pending effects."""
        if plan.pending_effects is not None:
            elapsed = started - leased.recorded
            delayed = next_delays(
                plan.pending_effects, leased.pending, elapsed, results, self._random
            )
            plan = replace(plan, pending_effects=delayed)
        epochs = await self._write(session, [plan], leased.pending.effects)
        if plan.pending_effects is None:
            return None
        epoch = epochs[leased.execution]
        return replace(leased, epoch=epoch, pending=plan.pending_effects, recorded=started)

    async def _inputs(
        self,
        session: Session,
        claimed: ClaimedExecution,
        definition: PinnedDefinition,
        elapsed: float,
        now: datetime,
    ) -> AdvanceInputs:
        definitions = Definitions({definition.sha256: definition}, {})
        loaded = await load_inputs(session, self._settings, [claimed], definitions, now)
        return replace(loaded.for_execution(claimed), elapsed=elapsed)

    async def _read(self, session: Session) -> Batch:
        """Read the locked executions, after undoing writes that the guard could not check."""
        batch = await claim.read_claimed(session, self._documents)
        locked = [*batch.claimed, *(row.claimed for row in batch.unreadable)]
        unchecked = [plan_undo(claimed) for claimed in locked if claimed.unchecked_writes]
        if not unchecked:
            return batch
        await record(session, unchecked, {})
        return await claim.read_claimed(session, self._documents)

    async def _write(
        self, session: Session, plans: Sequence[Plan], in_flight: Sequence[Effect] = ()
    ) -> Mapping[UUID, int]:
        await record(session, plans, self._definitions.copies)
        return await leases.record_pending_effects(
            session, plans, self._owner, len(plans), in_flight
        )

    async def rescue(self, limit: int) -> tuple[int, list[LeasedExecution]]:
        """Take over at most `limit` executions whose lease ended or that wait for capacity.

        Return how many were taken over, and those that go on with effects.
        """
        started = monotonic()
        async with self._pool.session() as session, session.transaction():
            rescued = await leases.rescue(session, self._owner, limit)
            if not rescued:
                self._newer.add(await leases.newer_leases(session))
                return 0, []
            unchanged, plans = await self._plan_all_rescued(session, rescued, started)
            pending = {leased.execution: leased.pending for leased in unchanged}
            await leases.extend(session, pending, self._owner)
            epochs = await self._write(session, plans) if plans else {}
        self._metrics.leases_rescued.inc(sum(lease.takeovers > 0 for lease in rescued))
        record_moves([(plan, "effect") for plan in plans], self._metrics)
        return len(rescued), [*unchanged, *leases.leased_executions(plans, epochs, started)]

    async def _plan_all_rescued(
        self, session: Session, rescued: Sequence[RescuedLease], started: float
    ) -> tuple[list[LeasedExecution], list[Plan]]:
        """Return the executions that only send again, and the plans to write for the others."""
        batch = await self._read(session)
        found = _by_id(batch)
        taken_over = [lease.execution for lease in rescued if lease.takeovers]
        doubts = await leases.ambiguous_effects(session, taken_over) if taken_over else {}
        delays = await leases.effect_delays(session, [lease.execution for lease in rescued])
        unchanged: list[LeasedExecution] = []
        plans: list[Plan] = []
        for lease in rescued:
            execution = lease.execution
            plan = await self._plan_rescued(
                session, lease, found.get(execution), doubts.get(execution, []), batch.now
            )
            if plan is None:
                continue
            pending = plan.pending_effects
            if pending is not None and only_repeats_effects(plan, load(lease.state)):
                plan = replace(plan, pending_effects=remaining_delays(pending, delays))
                unchanged += leases.leased_executions([plan], {execution: lease.epoch}, started)
            else:
                plans.append(plan)
        return unchanged, plans

    async def _plan_rescued(
        self,
        session: Session,
        lease: RescuedLease,
        found: ClaimedExecution | UnreadableExecution | None,
        doubts: Sequence[str],
        now: datetime,
    ) -> Plan | None:
        """Plan for an execution that was taken over. None: there is nothing to write.

        `doubts` are the keys of at-most-once effects that may have been sent.
        """
        claimed = found.claimed if isinstance(found, UnreadableExecution) else found
        if claimed is None or claimed.status != "running":
            await leases.delete(session, [lease.execution])
            return None if claimed is None else plan_ended_elsewhere(claimed)
        if lease.takeovers:
            log.warning(
                "lease_rescued",
                execution=claimed.key,
                epoch=lease.epoch,
                claims=lease.takeovers,
            )
        definition = await self._definitions.pinned(session, lease.definition)
        try:
            state = State.from_json(load(lease.state))
        except DamagedState as error:
            incident = Incident("row_unreadable", str(error), "cancel it, or retry from a step")
            return plan_running_incident(claimed, State(None), lease.definition, incident)
        if not isinstance(definition, PinnedDefinition):
            incident = Incident("definition_unreadable", definition.why, "correct it, then retry")
            return plan_running_incident(claimed, state, lease.definition, incident)
        pending = PendingEffects(definition, state, ())
        if doubts:
            return plan_ambiguous_effects(claimed, pending, doubts)
        if isinstance(found, UnreadableExecution):
            incident = Incident(found.cause, found.why, REMEDIES[found.cause])
            return plan_running_incident(claimed, state, lease.definition, incident)
        if lease.takeovers > MAX_TAKEOVERS:
            detail = f"{lease.takeovers} takeovers without progress"
            return plan_running_incident(
                claimed, state, lease.definition, Incident("no_progress", detail, "retry")
            )
        inputs = await self._inputs(session, claimed, definition, 0.0, now)
        return plan_after_effects(claimed, pending, {}, inputs)

    async def quarantine_first(self, incident: Incident) -> None:
        """Stop the execution whose lease ended first, without reading its documents."""
        async with self._pool.session() as session:
            await quarantine_first(session, incident)

    async def requeue(self, leased: LeasedExecution, seconds: float) -> None:
        """Give up the lease. Any daemon with capacity may take it over after `seconds`."""
        async with self._pool.session() as session, session.transaction():
            await leases.requeue(session, leased.execution, leased.epoch, seconds)

    async def expire(self, executions: Iterable[LeasedExecution]) -> None:
        """Expire these leases now, so that any daemon may take the executions over."""
        epochs = {leased.execution: leased.epoch for leased in executions}
        async with self._pool.session() as session, session.transaction():
            await leases.expire(session, epochs)

    async def expire_with_retries(self, leased: LeasedExecution) -> None:
        """Expire a lease now. Repeat while the database is unreachable."""
        await self._retries()(self.expire, [leased])

    async def expire_unknown(self, session: Session, running: Iterable[UUID]) -> None:
        """Expire the leases of this daemon whose executions are not in `running`."""
        async with session.transaction():
            await leases.expire_unknown(session, self._owner, running)


def _by_id(batch: Batch) -> dict[UUID, ClaimedExecution | UnreadableExecution]:
    unreadable = {row.claimed.id: row for row in batch.unreadable}
    return {claimed.id: claimed for claimed in batch.claimed} | unreadable
