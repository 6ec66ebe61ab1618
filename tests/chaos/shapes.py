"""The workflows that chaos runs, and what each must have sent when it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.harness.service import allow, ask

Document = Mapping[str, Any]

RETRY = {"max_attempts": 20, "backoff": "fixed", "delay": "50ms"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A workflow; `places` are what it sends, in the order in which it must, where they have one.

    `together` are sent in any order, but after what stands before them and before what follows.
    """

    steps: tuple[Document, ...]
    places: tuple[str | frozenset[str], ...]
    approvals: int = 0
    events: int = 0
    messages: int = 0

    @property
    def effects(self) -> frozenset[str]:
        """All places at which it sends."""
        return frozenset().union(*({p} if isinstance(p, str) else p for p in self.places))


def send(place: str, following: str | None = None, tag: str = "") -> Document:
    """Return a step that sends a webhook which tells its execution and its place."""
    step: dict[str, Any] = {
        "id": place,
        "type": "execute",
        "execute": [
            {
                "type": "webhook",
                "url": "{{receiver}}",
                "body": {"execution": "{{execution.key}}", "place": f"{place}{tag}"},
            }
        ],
        "retry": RETRY,
    }
    return step | ({"next": following} if following else {})


def parallel(place: str, branches: tuple[str, ...], following: str) -> Document:
    steps = [send(branch) for branch in branches]
    body = {"strategy": "all_must_pass", "steps": steps}
    return {"id": place, "type": "parallel", "parallel": body, "next": following}


def foreach(place: str, following: str) -> Document:
    body = {"items": "{{items}}", "item_var": "item", "steps": [send("item", tag="{{item}}")]}
    return {"id": place, "type": "foreach", "foreach": body, "next": following}


def tell(place: str, following: str) -> Document:
    """Return a step that notifies somebody of its execution."""
    told = {"type": "notify", "recipients": ["role:a"], "message": "{{execution.key}}"}
    return {"id": place, "type": "execute", "execute": [told], "next": following}


def wait(place: str, following: str) -> Document:
    what = {"event": "go", "match": {"key": "{{execution.key}}"}}
    return {"id": place, "type": "wait", "wait": what, "on_event": following}


SHAPES: Mapping[str, Shape] = {
    "plain": Shape(
        (send("a", "b"), send("b", "c"), send("c", "end"), allow("end")),
        ("a", "b", "c"),
    ),
    "parallel": Shape(
        (send("a", "p"), parallel("p", ("p1", "p2", "p3"), "b"), send("b", "end"), allow("end")),
        ("a", frozenset({"p1", "p2", "p3"}), "b"),
    ),
    "foreach": Shape(
        (foreach("f", "b"), send("b", "end"), allow("end")),
        ("item1", "item2", "item3", "item4", "b"),
    ),
    "wait": Shape(
        (send("a", "w"), wait("w", "b"), send("b", "c"), send("c", "end"), allow("end")),
        ("a", "b", "c"),
        events=1,
    ),
    "repause": Shape(
        (
            send("a", "ask"),
            ask("ask", on_true="b"),
            send("b", "again"),
            ask("again", on_true="c"),
            send("c", "d"),
            send("d", "end"),
            allow("end"),
        ),
        ("a", "b", "c", "d"),
        approvals=2,
    ),
}

TELLING: Mapping[str, Shape] = {
    "tells": Shape(
        (send("a", "t"), tell("t", "b"), send("b", "end"), allow("end")),
        ("a", "b"),
        messages=1,
    ),
}
"""For the points of deliveries alone, to which no other shape comes."""

EVERY: Mapping[str, Shape] = {**SHAPES, **TELLING}
