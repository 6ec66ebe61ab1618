"""Transactions of leased executions: record results and advance, rescue, release."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from time import monotonic
from uuid import UUID

import structlog

from resumer_daemon.config import Settings
from resumer_daemon.daemon.instrumentation import count
from resumer_daemon.daemon.newer_states import NewerStates
from resumer_daemon.effects.backoff import next_delays, remaining_delays
from resumer_daemon.engine.inputs import AdvanceInputs, ClaimedExecution
from resumer_daemon.engine.moves import undo
from resumer_daemon.engine.outcome import Effect, EffectResult, Incident
from resumer_daemon.engine.plan import PendingEffects, PinnedDefinition, Plan
from resumer_daemon.engine.planner import (
    REMEDIES,
    Definitions,
    doubtful,
    ended_elsewhere,
    hear,
    proceed,
    repeats,
    stop,
    unreadable_row,
)
from resumer_daemon.engine.state import DamagedState, State
from resumer_daemon.store import claim, leases, outbox
from resumer_daemon.store.claim import Batch, UnreadableExecution
from resumer_daemon.store.inputs import DefinitionCache, load_inputs
from resumer_daemon.store.leases import DocumentCache, LeasedExecution, LeaseOwner, RescuedLease
from resumer_daemon.store.quarantine import quarantine_first
from resumer_daemon.store.record import record
from resumer_daemon.store.session import Pool, Session
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.workflow.values import load

log = structlog.get_logger()

CLAIMS = 5


class LeasedExecutions:
    """Moves running executions from one durable point to the next, each under its lease."""

    def __init__(
        self,
        pool: Pool,
        library: DefinitionCache,
        settings: Settings,
        holder: LeaseOwner,
        metrics: Metrics,
        left: NewerStates,
    ) -> None:
        self._pool = pool
        self._library = library
        self._settings = settings
        self._holder = holder
        self._metrics = metrics
        self._random = Random()  # noqa: S311 - jitter
        self._left = left
        self._documents = DocumentCache()

    async def record(
        self,
        held: LeasedExecution,
        results: Mapping[str, EffectResult],
        unanswered: list[LeasedExecution],
    ) -> LeasedExecution | None:
        """Record results and advance; None: it came to its end here, or the lease is lost.

        `unanswered` is shared by the attempts at it: what one of them came to, but for the answer.
        """
        recorded = monotonic()
        async with self._pool.session() as session, session.transaction():
            if not await leases.fence(session, held.execution, held.epoch):
                return await self._found(session, held, unanswered)
            results = dict(results) | await self._records(session, held, results)
            plan = await self._next(session, held, results)
            after = await self._write_on(session, held, plan, results, recorded, unanswered)
        self._library.kept([plan])
        self._metrics.stages.labels("effects").observe(recorded - held.recorded)
        self._metrics.stages.labels("follow_up").observe(monotonic() - recorded)
        count([(plan, "effect")], self._metrics)
        return after

    async def hear(
        self, held: LeasedExecution, unanswered: list[LeasedExecution]
    ) -> LeasedExecution | None:
        """Move the branches that wait beside effects under way, if what they wait for has come.

        Return what runs on from there; None, and `unanswered`, as with `record`.
        """
        branches = held.launch.state.branches
        async with self._pool.session() as session:
            if not await leases.something_came(session, held.execution, branches):
                return held
            return await self._hear(session, held, unanswered)

    async def _hear(
        self, session: Session, held: LeasedExecution, unanswered: list[LeasedExecution]
    ) -> LeasedExecution | None:
        recorded = monotonic()
        async with session.transaction():
            if not await leases.fence(session, held.execution, held.epoch):
                return await self._found(session, held, unanswered)
            plan = await self._heard(session, held, recorded - held.recorded)
            if plan is None:
                return held
            after = await self._write_on(session, held, plan, {}, recorded, unanswered)
        self._library.kept([plan])
        count([(plan, "effect")], self._metrics)
        return held if plan.status is None else after

    async def _heard(self, session: Session, held: LeasedExecution, elapsed: float) -> Plan | None:
        batch = await self._read(session)
        if batch.unreadable:
            return None  # it stops when its effects come back
        claimed = batch.claimed[0]
        world = await self._world(session, claimed, held.launch, elapsed, batch.now)
        return hear(claimed, held.launch, world)

    async def _write_on(
        self,
        session: Session,
        held: LeasedExecution,
        plan: Plan,
        results: Mapping[str, EffectResult],
        recorded: float,
        unanswered: list[LeasedExecution],
    ) -> LeasedExecution | None:
        """Write a plan of what runs here; return what runs on from there."""
        if plan.pending_effects is not None:
            elapsed = recorded - held.recorded
            launch = next_delays(plan.pending_effects, held.launch, elapsed, results, self._random)
            plan = replace(plan, pending_effects=launch)
        epochs = await self._write(session, [plan], held.launch.effects)
        if plan.pending_effects is None:
            return None
        epoch = epochs[held.execution]
        after = replace(held, epoch=epoch, launch=plan.pending_effects, recorded=recorded)
        unanswered.append(after)
        return after

    async def _found(
        self, session: Session, held: LeasedExecution, unanswered: Sequence[LeasedExecution]
    ) -> LeasedExecution | None:
        """Return what an earlier attempt has recorded, None where the lease is lost."""
        for each in unanswered:
            if await leases.recorded(session, self._holder, each.execution, each.epoch):
                log.warning("commit_response_lost", execution=str(each.execution), epoch=each.epoch)
                return each
        self._metrics.fenced_writes.inc()
        log.warning("lease_lost", execution=str(held.execution), epoch=held.epoch)
        # where it is ours still, another program has ended the execution: look at what that leaves
        await leases.release_now(session, {held.execution: held.epoch})
        return None

    async def _records(
        self, session: Session, held: LeasedExecution, due: Collection[str]
    ) -> dict[str, EffectResult]:
        """Write the records that are due, and return what came of each."""
        written = {}
        for effect in held.launch.effects:
            if effect.kind == "record" and effect.path in due:
                result = written[effect.path] = await outbox.write(session, effect.request)
                self._metrics.effects.labels("record", "failed" if result.error else "done").inc()
        return written

    async def _next(
        self, session: Session, held: LeasedExecution, results: Mapping[str, EffectResult]
    ) -> Plan:
        batch = await self._read(session)
        for broken in batch.unreadable:
            return unreadable_row(broken.claimed, held.launch, results, broken.why, broken.cause)
        return await self._proceed(
            session, batch.claimed[0], held.launch, results, monotonic() - held.recorded, batch.now
        )

    async def _proceed(
        self,
        session: Session,
        claimed: ClaimedExecution,
        launch: PendingEffects,
        results: Mapping[str, EffectResult],
        elapsed: float,
        now: datetime,
    ) -> Plan:
        world = await self._world(session, claimed, launch, elapsed, now)
        return proceed(claimed, launch, results, world)

    async def _world(
        self,
        session: Session,
        claimed: ClaimedExecution,
        launch: PendingEffects,
        elapsed: float,
        now: datetime,
    ) -> AdvanceInputs:
        programs = Definitions({launch.pinned.sha256: launch.pinned}, {})
        around = await load_inputs(session, self._settings, [claimed], programs, now)
        return replace(around.world(claimed), elapsed=elapsed)

    async def _read(self, session: Session) -> Batch:
        """Read what is locked, once the writes are undone that the guard could not check."""
        batch = await claim.read(session, self._documents)
        locked = [*batch.claimed, *(each.claimed for each in batch.unreadable)]
        unchecked = [undo(claimed) for claimed in locked if claimed.unchecked_writes]
        if not unchecked:
            return batch
        await record(session, unchecked, {})
        return await claim.read(session, self._documents)

    async def _write(
        self, session: Session, plans: Sequence[Plan], under_way: Sequence[Effect] = ()
    ) -> Mapping[UUID, int]:
        await record(session, plans, self._library.copies)
        return await leases.record_pending_effects(
            session, plans, self._holder, len(plans), under_way
        )

    async def rescue(self, places: int) -> tuple[int, list[LeasedExecution]]:
        """Take over executions whose lease is past, or that stand in line, at most so many.

        Return how many, and those that go on with effects.
        """
        recorded = monotonic()
        async with self._pool.session() as session, session.transaction():
            rescued = await leases.rescue(session, self._holder, places)
            if not rescued:
                self._left.note(await leases.newer_leases(session))
            batch = await self._read(session) if rescued else None
            stopped = [each.execution for each in rescued if each.claims]
            doubts = await leases.doubtful_intents(session, stopped) if stopped else {}
            rests = await leases.rests(session, [r.execution for r in rescued]) if rescued else {}
            known = {} if batch is None else _known(batch)
            now = batch.now if batch else claim.NEVER
            held, plans = [], []
            for each in rescued:
                doubtful = doubts.get(each.execution, [])
                found = known.get(each.execution)
                plan = await self._rescued(session, each, found, doubtful, now)
                if (
                    plan is not None
                    and plan.pending_effects is not None
                    and repeats(plan, load(each.state))
                ):
                    launch = remaining_delays(plan.pending_effects, rests)
                    owner = plan.claimed.organization
                    held.append(
                        LeasedExecution(
                            each.execution, each.epoch, launch, recorded, organization=owner
                        )
                    )
                elif plan is not None:
                    plans.append(plan)
            await leases.extend(session, {h.execution: h.launch for h in held}, self._holder)
            epochs = await self._write(session, plans) if plans else {}
        held += [
            LeasedExecution(
                plan.claimed.id, epochs[plan.claimed.id], plan.pending_effects, recorded,
                organization=plan.claimed.organization,
            )
            for plan in plans
            if plan.pending_effects is not None
        ]  # fmt: skip
        self._metrics.leases_rescued.inc(len(stopped))
        count([(plan, "effect") for plan in plans], self._metrics)
        return len(rescued), held

    async def _rescued(
        self,
        session: Session,
        each: RescuedLease,
        found: ClaimedExecution | UnreadableExecution | None,
        doubts: Sequence[str],
        now: datetime,
    ) -> Plan | None:
        """Decide how a rescued execution goes on. None: it ended otherwise, or stays for later."""
        claimed = found.claimed if isinstance(found, UnreadableExecution) else found
        if claimed is None or claimed.status != "running":
            await leases.release(session, [each.execution])
            return None if claimed is None else ended_elsewhere(claimed)
        if each.claims:
            log.warning(
                "lease_rescued", execution=claimed.key, epoch=each.epoch, claims=each.claims
            )
        program = await self._library.kept_copy(session, each.definition)
        try:
            state = State.from_json(load(each.state))
        except DamagedState as error:
            what = Incident("row_unreadable", str(error), "cancel it, or retry from a step")
            return stop(claimed, State(None), each.definition, what)
        if not isinstance(program, PinnedDefinition):
            what = Incident("definition_unreadable", program.why, "correct it, then retry")
            return stop(claimed, state, each.definition, what)
        launch = PendingEffects(program, state, ())
        if doubts:
            return doubtful(claimed, launch, doubts)
        if isinstance(found, UnreadableExecution):
            what = Incident(found.cause, found.why, REMEDIES[found.cause])
            return stop(claimed, state, each.definition, what)
        if each.claims > CLAIMS:
            what = Incident("no_progress", f"{each.claims} claims without progress", "retry")
            return stop(claimed, state, each.definition, what)
        return await self._proceed(session, claimed, launch, {}, 0.0, now)

    async def set_apart(self, what: Incident) -> None:
        """Stop the execution whose lease is past for longest, without reading its documents."""
        async with self._pool.session() as session:
            await quarantine_first(session, what)

    async def stand_in_line(self, held: LeasedExecution, seconds: float) -> None:
        """Give back what has no place here; whoever has one goes on with it after so long."""
        async with self._pool.session() as session:
            await leases.requeue(session, held.execution, held.epoch, seconds)

    async def hand_over_strays(self, session: Session, running: Iterable[UUID]) -> None:
        """Give leases that we took without hearing of it to whoever looks first."""
        await leases.release_unknown(session, self._holder, running)

    async def hand_over(self, held: Sequence[LeasedExecution]) -> None:
        """Give these leases to whoever looks first."""
        async with self._pool.session() as session:
            await leases.release_to_others(session, {each.execution: each.epoch for each in held})


def _known(batch: Batch) -> dict[UUID, ClaimedExecution | UnreadableExecution]:
    unreadable = {each.claimed.id: each for each in batch.unreadable}
    return {each.id: each for each in batch.claimed} | unreadable
