"""What a flow must have come to: the pure engine, run on the facts of the ledger in their order.

The model of `tests/unit/engine/model.py` is one execution in memory. It is given what was decided,
emitted, resumed by force and answered by receivers, in the order in which the database settled it;
what was settled in one transaction comes together. What never was settled comes last: if it would
have moved the execution, the model has moved on, and the database has not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from tests.chaos.gates import Flow
from tests.unit.engine.model import ENDED, Model

NEVER = float("inf")


class Fact(NamedTuple):
    """Something that happened to an execution: when it was settled, and in which transaction."""

    at: float
    transaction: str
    kind: str
    what: Any


@dataclass(frozen=True, slots=True)
class Stood:
    """An execution of a flow as the database has it, and all facts of it, in their order.

    `cause` is of its open incident; `strange` counts the events of others that it was handed.
    `verdicts` are what people have said of it, `parked` counts the decisions that are still kept.
    """

    key: str
    flow: str
    payload: Mapping[str, Any]
    status: str
    result: str | None
    error: str | None
    cause: str | None
    steps: Mapping[str, int]
    sent: frozenset[str]
    facts: Sequence[Fact]
    verdicts: frozenset[str] = frozenset()
    cancelled: bool = False
    strange: int = 0
    parked: int = 0


class Verdict(NamedTuple):
    """What a person wrote into an approval of this role."""

    role: str
    status: str
    approver: UUID | None


def differences(stood: Sequence[Stood], flows: Mapping[str, Flow]) -> Iterator[str]:
    """Yield what is otherwise than the model has it, a line each."""
    for each in stood:
        for wrong in _wrong(each, flows[each.flow]):
            yield f"{wrong[:2]} {each.key} ({each.flow}) {wrong[3:]}"


def _wrong(stood: Stood, flow: Flow) -> Iterator[str]:
    if stood.strange:
        yield f"I9 was handed {stood.strange} events of others"
    yield from _end(stood, flow)


def _end(stood: Stood, flow: Flow) -> Iterator[str]:
    if stood.cancelled or stood.status == "cancelled":
        if not stood.cancelled or stood.status != "cancelled":
            yield f"I6 is {stood.status}, {stood.result}; cancelled: {stood.cancelled}"
    elif flow.stuck is not None:
        if (stood.status, stood.cause) != ("paused", flow.stuck):
            yield f"I9 is {stood.status}, {stood.cause}, and not set apart as {flow.stuck}"
    elif flow.adopted:
        expected = "allowed" if stood.verdicts == {"approved"} else "blocked"
        if (stood.status, stood.result) != ("completed", expected):
            yield f"I1 is {stood.status}, {stood.result} after {sorted(stood.verdicts)}"
    else:
        yield from _otherwise(stood, flow)
        if stood.parked:
            yield f"I1 keeps {stood.parked} decisions, and is {stood.status}"


def _otherwise(stood: Stood, flow: Flow) -> Iterator[str]:
    """Compare with the model: the end, the steps on the way, and what was sent."""
    model = replayed(stood, flow)
    is_now = (stood.status, stood.result, _error(stood.error))
    expected = (model.status, model.result, _error(model.error))
    if is_now != expected:
        yield f"I6 is {is_now}, the model {expected} at {[b.path for b in model.branches]}"
        return
    if not flow.exact:
        return
    steps = Counter(step.step_id for step in model.steps if step.status == "completed")
    if stood.steps != steps:
        yield f"I6 has the steps {dict(stood.steps)}, the model {dict(steps)}"


def _error(error: str | None) -> str | None:
    return error or None


def replayed(stood: Stood, flow: Flow) -> Model:
    """Give a new execution all that happened to one, and return where it stands then."""
    model = Model(flow.document, key=stood.key, payload=dict(stood.payload))
    model.settle()
    early: list[Fact] = []
    facts = sorted(stood.facts, key=lambda fact: (fact.at, fact.transaction))
    for _, together in groupby(facts, key=lambda fact: (fact.at, fact.transaction)):
        early = _give(model, [*early, *together])
    while model.status not in ENDED:
        before = len(early), len(model.steps), model.pauses
        early = _give(model, early)
        if (len(early), len(model.steps), model.pauses) == before and not _pass_time(model):
            break
    return model


def _give(model: Model, facts: Sequence[Fact]) -> list[Fact]:
    """Let facts happen together; return those for which the model is not there yet."""
    early = [fact for fact in facts if fact.kind != "sent" and not _happens(model, fact)]
    answers = {fact.what: fact for fact in facts if fact.kind == "sent"}
    answered = [effect for effect in model.effects if effect.path in answers]
    if answered:
        model.answer(*answered)
    model.settle()
    known = {effect.path for effect in answered}
    return early + [fact for path, fact in answers.items() if path not in known]


def _happens(model: Model, fact: Fact) -> bool:
    match fact.kind, fact.what:
        case "decided", Verdict(role, status, approver):
            asked = [a for a in model.approvals.values() if a.approver_role == role]
            pending = [a for a in asked if a.status == "pending"]
            if not pending:
                return False
            model.decide(pending[0], status, approver)
        case "event", (event, payload):
            model.emit(event, payload)
        case "time", path:
            if path not in {branch.path for branch in model.branches}:
                return False
            model.let_time_come(path)
        case "forced", payload:
            model.ask("manual", payload=payload, actor="ann", reason="why")
    return True


def _pass_time(model: Model) -> bool:
    """Let the time come for all branches that wait for it; tell whether there are any."""
    timed = [branch.path for branch in model.branches if branch.reason == "waiting_for_time"]
    for path in timed:
        model.let_time_come(path)
    model.settle()
    return bool(timed)
