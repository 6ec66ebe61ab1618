"""What must be true of any run, whatever was killed when: read from outside, by nobody's word.

The invariants are numbered as in the docs: I1 no acknowledged decision is lost, I2 none is applied
twice, I3 one body for one key, I4 each effect has exactly one key and none is missing, I5 no daemon
writes after another has taken its lease, I7 nothing starts after the end, I8 in the order of the
workflow. No more requests are sent again than intents that were open when something was killed,
stopped or restarted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.chaos.messages import Message, Told, undelivered
from tests.chaos.shapes import EVERY, Shape


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request as the receiver has it."""

    at: float
    key: str
    attempt: int
    sha256: str
    execution: str
    place: str


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as the database has it; `steps` are the recorded ones, with their status.

    `pauses` are those that its workflow asks for, without the incidents that are the faults' doing.
    """

    key: str
    shape: str
    status: str
    result: str | None
    ended_at: datetime | None
    steps: Sequence[tuple[str, str]]
    pauses: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A row of the journal."""

    key: str
    execution: str
    status: str


@dataclass(frozen=True, slots=True)
class Write:
    """An outcome as a daemon wrote it; `holder` is the daemon that took the lease last."""

    key: str
    writer: str
    holder: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision's row in the ledger."""

    source: str
    decision: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a run left behind. `decided`: what writers were told is committed.

    `cancelled` are executions whose effects may have been given up.
    `interrupted` counts the intents that were open at the faults, each of which may have been sent;
    `incidents` the executions that a person had to retry, for each daemon that took one was killed.
    """

    receipts: Sequence[Receipt]
    executions: Sequence[Execution]
    journal: Sequence[Intent]
    writes: Sequence[Write]
    ledger: Sequence[Settled]
    decided: Mapping[str, str]
    interrupted: int
    incidents: int
    told: Sequence[Told]
    messages: Sequence[Message]
    cancelled: frozenset[str] = frozenset()


def violations(facts: Facts) -> list[str]:
    """Return what is wrong, a line each; nothing is as it should be."""
    return [
        *_decisions(facts),
        *_keys(facts),
        *_effects(facts),
        *_journal(facts),
        *_writes(facts),
        *_ends(facts),
        *_order(facts),
        *_extra(facts),
        *_messages(facts),
    ]


def _decisions(facts: Facts) -> Iterator[str]:
    applied = Counter(each.source for each in facts.ledger if each.outcome == "applied")
    for source, verdict in facts.decided.items():
        found = [e for e in facts.ledger if e.source == source and e.decision == verdict]
        if not found or any(each.outcome in (None, "held") for each in found):
            yield f"I1 decision {source} ({verdict}) is lost: {found}"
    for source, count in applied.items():
        if count > 1:
            yield f"I2 decision {source} was applied {count} times"


def _keys(facts: Facts) -> Iterator[str]:
    bodies: dict[str, set[str]] = defaultdict(set)
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for receipt in facts.receipts:
        bodies[receipt.key].add(receipt.sha256)
        places[receipt.key].add((receipt.execution, receipt.place))
    yield from (
        f"I3 key {key} came with {len(found)} bodies"
        for key, found in bodies.items()
        if len(found) > 1
    )
    yield from (
        f"I4 key {key} stands for {found}" for key, found in places.items() if len(found) > 1
    )


def _effects(facts: Facts) -> Iterator[str]:
    """Each place of each execution has one key, and no other place has any."""
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    for receipt in facts.receipts:
        keys[receipt.execution, receipt.place].add(receipt.key)
    for (key, place), found in keys.items():
        if len(found) > 1:
            yield f"I4 {key} sent {place} under {len(found)} keys"
    places: dict[str, set[str]] = defaultdict(set)
    for key, place in keys:
        places[key].add(place)
    for execution in facts.executions:
        sent = places[execution.key]
        expected = _shape(execution).effects
        if sent != expected:
            yield f"I4 {execution.key}: missing {expected - sent}, extra {sent - expected}"


def _shape(execution: Execution) -> Shape:
    return EVERY[execution.shape]


def _journal(facts: Facts) -> Iterator[str]:
    received = {receipt.key for receipt in facts.receipts}
    for intent in facts.journal:
        if intent.execution in facts.cancelled:
            continue
        if intent.status != "done":
            yield f"I4 intent {intent.key} of {intent.execution} is {intent.status}"
        elif intent.key not in received:
            yield f"I4 intent {intent.key} is done, and never came"
    known = {intent.key for intent in facts.journal}
    yield from (f"I4 key {key} has no intent" for key in received - known)


def _writes(facts: Facts) -> Iterator[str]:
    for write in facts.writes:
        if write.writer != write.holder:
            yield f"I5 {write.writer} wrote {write.key}, whose lease {write.holder} had taken"


def _ends(facts: Facts) -> Iterator[str]:
    for execution in facts.executions:
        if (execution.status, execution.result) != ("completed", "allowed"):
            yield f"I1 {execution.key} is {execution.status}, {execution.result}"
            continue
        done = Counter(step for step, status in execution.steps if status == "completed")
        wrong = {step: count for step, count in done.items() if count != _times(step)}
        if wrong:
            yield f"I4 {execution.key} has steps recorded that often: {wrong}"
        shape = _shape(execution)
        if execution.pauses != shape.approvals + shape.events:
            yield f"I4 {execution.key} has {execution.pauses} pauses"


def _times(step: str) -> int:
    return 4 if step == "item" else 1


def _order(facts: Facts) -> Iterator[str]:
    """What is sent first at a place comes after all that the workflow has before it.

    What a daemon that was stopped sends once more, whenever it is continued, begins nothing: its
    receiver has the key already, and `_extra` counts it.
    """
    first: dict[tuple[str, str], float] = {}
    last: dict[str, float] = {}
    begun: set[str] = set()
    for receipt in sorted(facts.receipts, key=lambda receipt: receipt.at):
        first.setdefault((receipt.execution, receipt.place), receipt.at)
        if receipt.key not in begun:
            begun.add(receipt.key)
            last[receipt.execution] = receipt.at
    for execution in facts.executions:
        before = 0.0
        for stage in _shape(execution).places:
            names = {stage} if isinstance(stage, str) else stage
            times = [first[execution.key, name] for name in names if (execution.key, name) in first]
            if times and min(times) < before:
                yield f"I8 {execution.key} sent {sorted(names)} too early"
            before = max(times, default=before)
        ended = execution.ended_at
        if ended is not None and last.get(execution.key, 0.0) > ended.timestamp() + SKEW:
            late = last[execution.key] - ended.timestamp()
            yield f"I7 {execution.key} began something {late:.1f} s after its end"


SKEW = 5.0
"""What a stopped daemon was about to send may come a little after another has ended it all."""


def _extra(facts: Facts) -> Iterator[str]:
    """Of one attempt, more than one request: only where something was interrupted."""
    attempts = Counter((receipt.key, receipt.attempt) for receipt in facts.receipts)
    extra = sum(count - 1 for count in attempts.values())
    if extra > facts.interrupted:
        yield f"{extra} requests too many, where {facts.interrupted} were interrupted"


def _messages(facts: Facts) -> Iterator[str]:
    yield from undelivered(facts.told, facts.messages)
    count = Counter(each.execution for each in facts.messages)
    for execution in facts.executions:
        if count[execution.key] != _shape(execution).messages:
            yield f"I4 {execution.key} has {count[execution.key]} messages"


def summary(facts: Facts) -> dict[str, Any]:
    """Return the figures of a run."""
    attempts = Counter((receipt.key, receipt.attempt) for receipt in facts.receipts)
    return {
        "executions": len(facts.executions),
        "effects": len({receipt.key for receipt in facts.receipts}),
        "requests": len(facts.receipts),
        "requests sent again": sum(count - 1 for count in attempts.values()),
        "intents interrupted": facts.interrupted,
        "decisions": len(facts.decided),
        "incidents retried": facts.incidents,
    }
