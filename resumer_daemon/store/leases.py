"""Leases and the journal of effects: with them one daemon continues where another stopped."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from resumer_daemon.engine.outcome import Effect
from resumer_daemon.engine.plan import PendingEffects, Plan
from resumer_daemon.engine.state import VERSION, Branch
from resumer_daemon.frozen import Frozen
from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import locked_ids
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.trace_context import TraceContext
from resumer_daemon.workflow.values import dump

MIN_WAIT: Final = 1.0
"""Seconds that an effect may always wait for a slot and a connection."""

SHORT_DELAY: Final = 1.0
"""Seconds before a retry up to which its execution still takes capacity."""


@dataclass(slots=True)
class LeaseOwner:
    """The identity under which this daemon takes leases, and what their length depends on.

    `lease` and `effect_deadline` are seconds. A daemon that was declared dead changes `instance`.
    """

    instance: UUID
    lease: float
    effect_deadline: float

    def lease_seconds(self, pending: PendingEffects) -> float:
        """Return the seconds for which an execution with these effects is leased."""
        longest = max((e.delay + self.effect_deadline for e in pending.effects), default=0.0)
        return max(self.lease, MIN_WAIT + longest + margin(self.lease))

    @property
    def max_wait(self) -> float:
        """The seconds that an effect may wait for a slot, so that its result is still leased."""
        return max(MIN_WAIT, self.lease - self.effect_deadline - margin(self.lease))


class LeasedExecution(Frozen):
    """An execution that this daemon runs under a lease.

    `recorded`: the local time, on `monotonic`, before the lease was recorded. `trace`: the parent
    of its attempts, None if it is not traced. `organization`: the one whose secrets it may use
    beside the common ones.
    """

    execution: UUID
    epoch: int
    pending: PendingEffects
    recorded: float
    trace: TraceContext | None = None
    organization: UUID | None = None

    @property
    def is_delayed(self) -> bool:
        """True while all its effects wait for a later retry, so that it takes no capacity."""
        effects = self.pending.effects
        return bool(effects) and all(effect.delay > SHORT_DELAY for effect in effects)


def leased_executions(
    plans: Iterable[Plan], epochs: Mapping[UUID, int], recorded: float
) -> list[LeasedExecution]:
    """Return the executions of these plans that run here: those with pending effects and an epoch.

    `recorded` as in `LeasedExecution`.
    """
    return [
        LeasedExecution(
            plan.claimed.id,
            epochs[plan.claimed.id],
            plan.pending_effects,
            recorded,
            organization=plan.claimed.organization,
        )
        for plan in plans
        if plan.pending_effects is not None and plan.claimed.id in epochs
    ]


def silence(lease: float) -> float:
    """Return the seconds without a heartbeat after which a daemon with leases counts as dead."""
    return lease / 2


def margin(lease: float) -> float:
    """Return the seconds of a lease that are kept for recording results."""
    return lease / 6


@dataclass(frozen=True, slots=True)
class RescuedLease:
    """A lease that was taken over.

    `takeovers` counts those without progress. 0: the execution waited for capacity, and none of its
    effects was sent.
    """

    execution: UUID
    epoch: int
    takeovers: int
    state: str
    definition: str


async def record_pending_effects(
    session: Session,
    plans: Sequence[Plan],
    owner: LeaseOwner,
    capacity: int,
    in_flight: Iterable[Effect] = (),
) -> dict[UUID, int]:
    """Write outcomes, intents and leases of these plans. Return the epoch of each lease taken.

    The first `capacity` executions are leased. The others wait for any daemon with capacity. The
    intents of attempts `in_flight` are recorded already.
    """
    await _outcomes(session, plans)
    ended = [p.claimed.id for p in plans if _ends_run(p)]
    if ended:
        await delete(session, ended)
        await session.run("leases.requeue_parked_requests", {"execution_ids": array(ended)})
    sending = [p for p in plans if p.pending_effects is not None]
    if not sending:
        return {}
    taken = await session.run("leases.take_leases", _leases(sending, owner, capacity))
    recorded = {(effect.key, effect.attempt) for effect in in_flight}
    intents = _intents(sending, recorded)
    if intents["keys"] != "{}":
        await session.run("leases.insert_intents", intents)
    leased = {p.claimed.id for p in sending[:capacity]}
    epochs = {row["execution_id"]: row["epoch"] for row in await taken.fetchall()}
    return {execution: epoch for execution, epoch in epochs.items() if execution in leased}


def _ends_run(plan: Plan) -> bool:
    return (
        plan.claimed.status == "running"
        and plan.status is not None
        and plan.pending_effects is None
    )


def _leases(plans: Sequence[Plan], owner: LeaseOwner, capacity: int) -> dict[str, Any]:
    pending = [p.pending_effects for p in plans if p.pending_effects is not None]
    return {
        "instance": owner.instance,
        "execution_ids": array(p.claimed.id for p in plans),
        "seconds": array(
            owner.lease_seconds(each) if number < capacity else None
            for number, each in enumerate(pending)
        ),
        "states": array(dump(each.state.to_json()) for each in pending),
        "definitions": array(each.pinned.sha256 for each in pending),
    }


def _intents(plans: Sequence[Plan], recorded: Container[tuple[str, int]]) -> dict[str, Any]:
    rows = [
        (p.claimed.id, effect)
        for p in plans
        if p.pending_effects
        for effect in p.pending_effects.effects
        if (effect.key, effect.attempt) not in recorded
    ]
    return {
        "keys": array(e.key for _, e in rows),
        "execution_ids": array(execution for execution, _ in rows),
        "paths": array(e.path for _, e in rows),
        "kinds": array(e.kind for _, e in rows),
        "requests": array(dump(e.request) for _, e in rows),
        "deliveries": array(e.delivery for _, e in rows),
        "attempts": array(e.attempt for _, e in rows),
        "delays": array(e.delay for _, e in rows),
    }


async def _outcomes(session: Session, plans: Sequence[Plan]) -> None:
    rows = [row for plan in plans for row in plan.results.items()]
    if rows:
        outcomes = {
            "keys": array(key for key, _ in rows),
            "statuses": array("failed" if r.error else "done" for _, r in rows),
            "responses": array(dump(r.data) for _, r in rows),
            "errors": array(r.error for _, r in rows),
        }
        await session.run("leases.update_outcomes", outcomes)


async def fence(session: Session, execution: UUID, epoch: int) -> bool:
    """Lock the execution, then check its lease. False: the lease is lost, so write nothing."""
    cursor = await session.run("leases.fence_execution", {"id": execution})
    if not await locked_ids(cursor):
        return False
    cursor = await session.run("leases.fence_lease", {"id": execution, "epoch": epoch})
    return await cursor.fetchone() is not None


async def branches_may_advance(
    session: Session, execution: UUID, branches: Sequence[Branch]
) -> bool:
    """Return whether a wait beside effects may have ended, without a lock."""
    due = [branch.wait.due_at for branch in branches]
    facts = {
        "id": execution,
        "due": min((each for each in due if each is not None), default=None),
        "approval_ids": array(approval for branch in branches for approval in branch.approval_ids),
        "timezone": session.timezone,
    }
    return await session.fetch_optional("leases.find_branch_inputs", facts) is not None


async def is_recorded(session: Session, owner: LeaseOwner, execution: UUID, epoch: int) -> bool:
    """Tell, after the fence, whether this daemon recorded this lease and still has it."""
    facts = {"id": execution, "epoch": epoch, "instance": owner.instance}
    return await session.fetch_optional("leases.find_recorded_lease", facts) is not None


async def delete(session: Session, executions: Sequence[UUID]) -> None:
    """Delete the leases of executions that do not run any more."""
    await session.run("leases.delete_leases", {"execution_ids": array(executions)})


async def expire(session: Session, epochs: Mapping[UUID, int]) -> None:
    """End these leases now, so that any daemon may take the executions over."""
    facts = {"execution_ids": array(epochs), "epochs": array(epochs.values())}
    await session.run("leases.expire_leases", facts)


async def expire_unknown(session: Session, owner: LeaseOwner, running: Iterable[UUID]) -> None:
    """End the leases of this daemon whose executions are not `running` here."""
    facts = {"instance": owner.instance, "running": array(running)}
    await session.run("leases.expire_unknown_leases", facts)


async def requeue(session: Session, execution: UUID, epoch: int, seconds: float) -> None:
    """Give up a lease of which no effect is in flight. It may be taken again after `seconds`."""
    facts = {"id": execution, "epoch": epoch, "seconds": seconds}
    await session.run("leases.requeue_lease", facts)


async def rescue(session: Session, owner: LeaseOwner, limit: int) -> list[RescuedLease]:
    """Take over at most `limit` expired leases, and lock their executions.

    Executions whose state a newer version wrote are skipped.
    """
    ids = await lock_expired(session, limit)
    if not ids:
        return []
    facts = {"ids": array(ids), "instance": owner.instance, "seconds": owner.lease}
    rows = await session.fetch_all("leases.take_over_leases", facts)
    return [
        RescuedLease(
            row["execution_id"], row["epoch"], row["takeovers"], row["state"], row["definition"]
        )
        for row in rows
    ]


async def lock_expired(session: Session, limit: int) -> list[UUID]:
    """Lock the executions whose leases expired first. Return their ids."""
    cursor = await session.run("leases.claim_expired_leases", {"limit": limit, "version": VERSION})
    return await locked_ids(cursor)


async def newer_leases(session: Session) -> list[UUID]:
    """Return executions with an expired lease whose state a newer version wrote."""
    rows = await session.fetch_all("leases.find_newer_leases", {"version": VERSION})
    return [row["execution_id"] for row in rows]


async def extend(
    session: Session, pending: Mapping[UUID, PendingEffects], owner: LeaseOwner
) -> None:
    """Extend leases that were taken over and are shorter than their effects may take."""
    seconds = {execution: owner.lease_seconds(each) for execution, each in pending.items()}
    longer = {execution: each for execution, each in seconds.items() if each > owner.lease}
    if longer:
        facts = {"execution_ids": array(longer), "seconds": array(longer.values())}
        await session.run("leases.extend_leases", facts)


async def effect_delays(session: Session, ids: Sequence[UUID]) -> Mapping[str, float]:
    """Return the seconds that are left before delayed effects are due, by key."""
    rows = await session.fetch_all("leases.read_effect_delays", {"ids": array(ids)})
    return {row["key"]: row["seconds"] for row in rows}


async def ambiguous_effects(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    """Return the keys of at-most-once effects without an outcome, by execution."""
    keys: dict[UUID, list[str]] = {}
    for row in await session.fetch_all("leases.find_ambiguous_effects", {"ids": array(ids)}):
        keys.setdefault(row["execution_id"], []).append(row["key"])
    return keys
