"""Leases and the journal of effects: how one daemon continues where another has stopped."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from resumer_daemon.engine.outcome import Effect
from resumer_daemon.engine.plan import PendingEffects, Plan
from resumer_daemon.engine.state import VERSION, Branch
from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import locked
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.trace_context import TraceContext
from resumer_daemon.workflow.values import Json, dump, load

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


@dataclass(frozen=True, slots=True)
class LeasedExecution:
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
    holder: LeaseOwner,
    places: int,
    under_way: Iterable[Effect] = (),
) -> dict[UUID, int]:
    """Write outcomes, intents and leases of these plans; return the epoch of each lease held.

    More than `places` are not held: they stand in line for whoever has a place. The intents of the
    attempts that are `under_way` are there already.
    """
    await _outcomes(session, plans)
    ended = [p.claimed.id for p in plans if _ends_run(p)]
    if ended:
        await release(session, ended)
        await session.run("leases.requeue_parked_requests", {"execution_ids": array(ended)})
    launching = [p for p in plans if p.pending_effects is not None]
    if not launching:
        return {}
    taken = await session.run("leases.take_leases", _leases(launching, holder, places))
    known = {(effect.key, effect.attempt) for effect in under_way}
    intents = _intents(launching, known)
    if intents["keys"] != "{}":
        await session.run("leases.insert_intents", intents)
    held = {p.claimed.id for p in launching[:places]}
    epochs = {row["execution_id"]: row["epoch"] for row in await taken.fetchall()}
    return {execution: epoch for execution, epoch in epochs.items() if execution in held}


def _ends_run(plan: Plan) -> bool:
    return (
        plan.claimed.status == "running"
        and plan.status is not None
        and plan.pending_effects is None
    )


def _leases(plans: Sequence[Plan], holder: LeaseOwner, places: int) -> dict[str, Any]:
    launches = [p.pending_effects for p in plans if p.pending_effects is not None]
    return {
        "instance": holder.instance,
        "execution_ids": array(p.claimed.id for p in plans),
        "seconds": array(
            holder.lease_seconds(each) if number < places else None
            for number, each in enumerate(launches)
        ),
        "states": array(dump(each.state.to_json()) for each in launches),
        "definitions": array(each.pinned.sha256 for each in launches),
    }


def _intents(plans: Sequence[Plan], known: Container[tuple[str, int]]) -> dict[str, Any]:
    rows = [
        (p.claimed.id, effect)
        for p in plans
        if p.pending_effects
        for effect in p.pending_effects.effects
        if (effect.key, effect.attempt) not in known
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
    """Lock the execution, then make sure that the lease is still ours; false: write nothing."""
    cursor = await session.run("leases.fence_execution", {"id": execution})
    if not await locked(cursor):
        return False
    cursor = await session.run("leases.fence_lease", {"id": execution, "epoch": epoch})
    return await cursor.fetchone() is not None


async def something_came(session: Session, execution: UUID, branches: Sequence[Branch]) -> bool:
    """Tell, without a lock, whether a branch that waits beside effects may have its answer."""
    due = [branch.wait.due_at for branch in branches]
    facts = {
        "id": execution,
        "due": min((each for each in due if each is not None), default=None),
        "asked": array(approval for branch in branches for approval in branch.approval_ids),
        "timezone": session.timezone,
    }
    cursor = await session.run("leases.find_branch_inputs", facts)
    return await cursor.fetchone() is not None


async def recorded(session: Session, holder: LeaseOwner, execution: UUID, epoch: int) -> bool:
    """Tell, after the fence, whether we have recorded this lease and it is ours still."""
    facts = {"id": execution, "epoch": epoch, "instance": holder.instance}
    cursor = await session.run("leases.find_recorded_lease", facts)
    return await cursor.fetchone() is not None


async def release(session: Session, executions: Sequence[UUID]) -> None:
    """Let go of the leases of executions that do not run any more."""
    await session.run("leases.release_leases", {"execution_ids": array(executions)})


async def release_to_others(session: Session, epochs: Mapping[UUID, int]) -> None:
    """End these leases now, so that whoever looks first goes on."""
    async with session.transaction():
        await release_now(session, epochs)


async def release_now(session: Session, epochs: Mapping[UUID, int]) -> None:
    """Do that within a transaction that does more."""
    facts = {"execution_ids": array(epochs), "epochs": array(epochs.values())}
    await session.run("leases.expire_leases", facts)


async def release_unknown(session: Session, holder: LeaseOwner, running: Iterable[UUID]) -> None:
    """End the leases that are ours but for those that run here, so that whoever looks goes on."""
    async with session.transaction():
        facts = {"instance": holder.instance, "running": array(running)}
        await session.run("leases.expire_unknown_leases", facts)


async def requeue(session: Session, execution: UUID, epoch: int, seconds: float) -> None:
    """Give a lease back of which nothing is under way, to be taken again after so long."""
    async with session.transaction():
        facts = {"id": execution, "epoch": epoch, "seconds": seconds}
        await session.run("leases.requeue_lease", facts)


async def rescue(session: Session, holder: LeaseOwner, limit: int) -> list[RescuedLease]:
    """Take over leases that are past; the executions stay locked until the transaction ends.

    Those whose state a newer version wrote are left to it.
    """
    ids = await lock_expired(session, limit)
    if not ids:
        return []
    taken = {"ids": array(ids), "instance": holder.instance, "seconds": holder.lease}
    cursor = await session.run("leases.take_over_leases", taken)
    return [
        RescuedLease(
            row["execution_id"], row["epoch"], row["claims"], row["state"], row["definition"]
        )
        for row in await cursor.fetchall()
    ]


async def lock_expired(session: Session, limit: int) -> list[UUID]:
    """Lock executions whose lease is past for longest, and return their ids."""
    cursor = await session.run("leases.claim_expired_leases", {"limit": limit, "version": VERSION})
    return await locked(cursor)


async def newer_leases(session: Session) -> list[UUID]:
    """Return executions with a lease that is past and whose state a newer version wrote."""
    cursor = await session.run("leases.find_newer_leases", {"version": VERSION})
    return [row["execution_id"] for row in await cursor.fetchall()]


async def extend(
    session: Session, launches: Mapping[UUID, PendingEffects], holder: LeaseOwner
) -> None:
    """Keep what was taken over for as long as its effects may take, where a lease is too short."""
    seconds = {execution: holder.lease_seconds(launch) for execution, launch in launches.items()}
    longer = {execution: each for execution, each in seconds.items() if each > holder.lease}
    if longer:
        facts = {"execution_ids": array(longer), "seconds": array(longer.values())}
        await session.run("leases.extend_leases", facts)


async def rests(session: Session, ids: Sequence[UUID]) -> Mapping[str, float]:
    """Return the seconds until effects are sent that rest before an attempt, by key."""
    cursor = await session.run("leases.read_effect_delays", {"ids": array(ids)})
    return {row["key"]: row["seconds"] for row in await cursor.fetchall()}


async def doubtful_intents(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    """Return the keys of at-most-once effects without an outcome, by execution."""
    cursor = await session.run("leases.find_ambiguous_effects", {"ids": array(ids)})
    found: dict[UUID, list[str]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["execution_id"], []).append(row["key"])
    return found


LARGE: Final = 16_384
"""From so many characters on it costs more to parse a text than to recognise it."""

KEPT: Final = 16_000_000
"""So many characters of texts are known at most; what was asked for longest ago goes first."""


class DocumentCache:
    """Parses texts, and recognises large ones. Nobody changes what it returns."""

    def __init__(self) -> None:
        self._known: dict[str, Json] = {}
        self._characters = 0

    def __call__(self, text: str) -> Json:
        """Return what a text says.

        Raises:
            ValueError: It cannot be parsed.
        """
        if not LARGE <= len(text) <= KEPT:
            return load(text)
        known = text in self._known
        document = self._known.pop(text) if known else load(text)
        self._known[text] = document
        if not known:
            self._characters += len(text)
            self._make_room()
        return document

    def _make_room(self) -> None:
        while self._characters > KEPT:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._characters -= len(oldest)
