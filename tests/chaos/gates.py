"""The flows that many people decide in any order: made up by the seed, and judged by a model.

What each must come to depends on what was decided, and when: `tests/chaos/replay.py` finds it out.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.shapes import send
from tests.harness.service import allow, ask, block

Document = Mapping[str, Any]

ROLE = "gate "
"""How the role of each approval begins that the people of `tests/chaos/people.py` decide."""

KINDS = ("own", "ask", "two", "roles", "event", "event", "time", "webhook")
STRATEGIES = ("all_must_pass", "all_must_pass", "any_can_pass", "best_effort")


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow. `exact`: the steps follow from the ledger, not only the end.

    Timers that end a branch beside an effect have no row there, so a flow in which it matters when
    they do is not exact. `stuck`: the cause of the incident which is its right end. `large`: how
    many bytes its payload has. `forced`: the share of its gates at which a person is overridden.
    """

    steps: tuple[Document, ...]
    exact: bool = True
    stuck: str | None = None
    large: int = 0
    forced: float = 0.02
    adopted: bool = False

    @property
    def document(self) -> Document:
        """The definition."""
        return {"steps": list(self.steps)}


def slowly(place: str, following: str) -> Document:
    """Return a step whose receiver takes its time: long enough for others to write meanwhile."""
    step = send(place, following)
    [webhook] = step["execute"]
    return {**step, "execute": [webhook | {"body": webhook["body"] | {"slow": True}}]}


def member(kind: str, name: str) -> Document:
    """Return a member of a container that waits for something, or sends something."""
    role = f"{ROLE}{name}"
    create = {"type": "create_approval_request", "entity": "quote", "approver_role": role}
    own = {"id": name, "type": "action", "action": "block", "requires": {"type": "approval"}}
    match kind:
        case "own":
            return {**own, "execute": [create]}
        case "ask":
            return {"id": name, "type": "require_approval", "requires": {"role": role}}
        case "two":
            requires = {"approvals": 2, "role": role}
            return {"id": name, "type": "require_approval", "requires": requires}
        case "roles":
            roles = [f"{role} a", f"{role} b"]
            return {"id": name, "type": "require_approval", "requires": {"roles": roles}}
        case "event":
            return wait_for(name, f"event of {name}")
        case "time":
            return {"id": name, "type": "wait", "wait": {"for": "300ms"}}
        case "webhook":
            return send(name)
        case _:
            return {
                **own,
                "execute": [*send(name)["execute"], create],
                "retry": send(name)["retry"],
            }


def wait_for(name: str, event: str, following: str | None = None) -> Document:
    """Return a wait for an event of this execution."""
    what = {"event": event, "match": {"key": "{{execution.key}}"}}
    step = {"id": name, "type": "wait", "wait": what}
    return step | ({"on_event": following} if following else {})


def beside_each_other(chance: random.Random) -> Flow:
    """Make up a flow with members that wait beside each other."""
    names = iter(f"m{number}" for number in range(100))
    strategy = chance.choice(STRATEGIES)
    kinds = [chance.choice(KINDS) for _ in range(chance.randint(2, 4))]
    if strategy == "any_can_pass":  # what is sent when another has passed is not repeated
        kinds = ["ask" if kind == "webhook" else kind for kind in kinds]
    if not any(kind in ("own", "ask", "two", "roles") for kind in kinds):
        kinds[0] = "own"
    members = [member(kind, next(names)) for kind in kinds]
    body = {"strategy": strategy, "steps": members}
    both = {"id": "both", "type": "parallel", "parallel": body, "next": "after"}
    exact = strategy != "any_can_pass" or "time" not in kinds
    return Flow((both, send("after", "end"), allow("end")), exact)


def two_of_each() -> Flow:
    """Return two gates whose own lists create their approvals, and a wait, side by side."""
    members = [member(kind, name) for kind, name in (("own", "legal"), ("own", "finance"))]
    body = {"strategy": "all_must_pass", "steps": [*members, member("roles", "board")]}
    both = {"id": "both", "type": "parallel", "parallel": body, "next": "after"}
    return Flow((both, send("after", "end"), allow("end")))


def overridden() -> Flow:
    """Return two gates in a row, and a step that asks what was said at the last one."""
    asked = {"field": "approved", "operator": "eq", "value": True}
    said = {"id": "said", "type": "condition", "condition": asked}
    return Flow(
        (
            ask("g1", on_true="g2", on_false="refuse", role=f"{ROLE}g1"),
            ask("g2", on_true="said", on_false="said", role=f"{ROLE}g2"),
            {**said, "on_true": "release", "on_false": "refuse"},
            allow(),
            block(),
        ),
        forced=0.4,
    )


def among_strangers() -> Flow:
    """Return a gate, and behind it a wait for an event of which many are of others."""
    gate = ask("first", on_true="w", on_false="refuse", role=f"{ROLE}first")
    return Flow((gate, wait_for("w", "paid", "b"), send("b", "end"), allow("end"), block()))


def sends() -> Flow:
    """Return three webhooks, a gate, and another one: what old copies are written over."""
    gate = ask("gate", on_true="c", on_false="refuse", role=f"{ROLE}gate")
    first = (slowly("a", "b"), send("b", "gate"), gate)
    return Flow((*first, slowly("c", "end"), allow("end"), block()))


def large(size: int) -> Flow:
    """Return a gate between two webhooks, with a document of so many bytes."""
    return Flow(sends().steps, large=size)


def too_large() -> Flow:
    """Return a gate at which the document grows beyond what an execution may have."""
    return Flow(sends().steps, stuck="too_large")


def unfinishable() -> Flow:
    """Return a step that the database never lets finish, because a trigger takes too long."""
    return Flow((allow("endless"),), stuck="turn_timeout")


def ended_by_the_service() -> Flow:
    """Return a gate that the service runs itself, and ends as blocked."""
    gate = ask("gate", on_true="c", on_false="refuse", role=f"{ROLE}gate")
    return Flow((gate, send("c", "end"), allow("end"), block()), adopted=True)


def flows(seed: int, many: int = 10) -> Mapping[str, Flow]:
    """Return all flows of a run, by the names of their workflows."""
    chance = random.Random(f"{seed} flows")  # noqa: S311
    made_up = {f"made up {number}": beside_each_other(chance) for number in range(many)}
    return made_up | {
        "two of each": two_of_each(),
        "overridden": overridden(),
        "among strangers": among_strangers(),
        "sends": sends(),
        "ended by the service": ended_by_the_service(),
        "large": large(2_000_000),
        "larger": large(3_500_000),
        "too large": too_large(),
        "unfinishable": unfinishable(),
    }


SELDOM: Sequence[str] = ("large", "larger", "too large", "unfinishable")
"""Flows of which a few are enough, for each costs a lot."""
