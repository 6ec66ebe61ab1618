"""Definitions, contexts and answers for Hypothesis: mostly sensible, sometimes not at all.

Hypothesis picks steps out of a pool; had it to make up each one, most of the time would go there.
"""

from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import strategies as st

IDS = ("a", "b", "c", "d/e", "f#g")
ITEMS = [1, {"n": 2}, "three"]
WAYS = (*(None,) * 6, *IDS[:3] * 5, "d/e", "nowhere")
RETRIES = (
    {"max_attempts": 2},
    {"max_attempts": 4, "backoff": "fixed", "retry_on": ["5xx", "timeout"]},
    {"max_attempts": 3, "backoff": "linear", "retry_on": ["timeout"]},
)
REQUIRES = (None, {"approvals": 2}, {"roles": ["r", "s"], "timeout": "1h"}, {"role": "{{item}}"})
WEBHOOK = {"type": "webhook", "url": "https://x.example", "body": {"at": "{{now}}"}}
GOOD_ACTS = (
    {"type": "log", "message": "{{item}} ${gone}"},
    {"type": "notify", "recipients": ["x"], "message": "{{approval.decision}}!"},
    WEBHOOK,
    WEBHOOK | {"continue_on_error": True},
    WEBHOOK | {"headers": {"X-Item": "{{item}}"}},
    {"type": "create_record", "entity": "e", "data": ["{{item}}"]},
    {"type": "create_approval_request", "entity": "order"},
)
ACTS = (
    *GOOD_ACTS * 4,
    {"type": "notify", "recipients": "{{gone}}", "message": "never"},
    {"type": "create_approval_request", "entity": "{{gone}}"},
    {"type": "fax"},
)
GOOD_COMPARISONS = tuple(
    {"field": field, "operator": operator, "value": value}
    for field in ("total", "items.length")
    for operator in ("eq", "neq", "exists", "not_exists")
    for value in (5, True, None, 3, "{{items.length}}")
)
COMPARISONS = (
    *GOOD_COMPARISONS * 4,
    *(
        {"field": field, "operator": operator, "value": value}
        for field in ("order.items", "item.n", "approved")
        for operator in ("eq", "exists", "gt", "odd")
        for value in (5, True, "{{gone}}")
    ),
)


CONTEXTS: tuple[dict[str, Any], ...] = (
    {"total": 5, "text": "{{total}}", "items": ITEMS, "order": {"items": [[1, 2], []]}},
    {"total": "5", "items": [], "approved": True, "order": None},
    {"items": ITEMS * 2, "order": {"items": ITEMS}, "approval": {"approved": "yes"}},
    {},
)
REASONS = (None, "plain", "{{order}}", "n {{item}} {{item_index}}", "{{secrets.K}}", "${now}")
SELDOM = (None, None, None)


class Steps:
    """Steps made up by chance, the same ones each time."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - chance, and no secret

    def some(self, count: int) -> list[dict[str, Any]]:
        """Return this many steps, most of them with nothing inside."""
        return [self._leaf() if number % 3 else self._group(0) for number in range(count)]

    def _step(self, kind: str, **choices: tuple[Any, ...]) -> dict[str, Any]:
        common: dict[str, tuple[Any, ...]] = {
            "next": WAYS,
            "on_error": (*SELDOM, *WAYS),
            "retry": (None, *RETRIES),
            "timeout": (*SELDOM, "10s", "soon"),
        }
        picked = {name: self._random.choice(values) for name, values in (common | choices).items()}
        return {"type": kind} | {name: value for name, value in picked.items() if value is not None}

    def _leaf(self) -> dict[str, Any]:
        both = {"on_true": WAYS, "on_false": WAYS}
        match self._random.randrange(9):
            case 0:
                rules = (*SELDOM, *SELDOM, "good", "off", "empty")
                return self._step("condition", **both, rule_id=rules) | self._condition()
            case 1:
                return self._step("action", action=("allow", "block"), reason=REASONS)
            case 2:
                return self._step("action", action=("allow", "block")) | self._list()
            case 3:
                return self._step("require_approval", **both, on_timeout=WAYS, requires=REQUIRES)
            case 4:
                return self._step("require_approval", **both) | self._list()
            case 5:
                waits = (("event", "e"), ("event", "e"), ("for", "1h"))
                how, what = self._random.choice(waits)
                return self._step("wait", on_timeout=WAYS, on_event=WAYS) | {how: what}
            case _:
                return self._step("execute") | self._list()

    def _group(self, depth: int) -> dict[str, Any]:
        count = self._random.randint(1, 3)
        steps = [self._leaf() for _ in range(count)]
        if depth < 2 and self._random.random() < 0.4:
            steps[-1] = self._group(depth + 1)
        body = {"steps": steps}
        if self._random.random() < 0.5:
            return self._step("parallel", strategy=(None, "any_can_pass", "best_effort")) | body
        items = ("{{items}}", "{{items}}", "{{order.items}}", "{{item}}", "{{total}}")
        return self._step("foreach", items=items, item_var=("item",)) | body

    def deep(self, count: int) -> list[list[dict[str, Any]]]:
        """Return this many lists of lists, in which something waits and something is sent."""
        return [self._around(self._around(self._inner())) for _ in range(count)]

    def _inner(self) -> list[dict[str, Any]]:
        asks = self._step("require_approval", requires=REQUIRES)
        waits = self._step("wait", on_timeout=WAYS) | {"event": "e"}
        sends = self._step("execute") | {"execute": [WEBHOOK, self._random.choice(GOOD_ACTS)]}
        return self._random.sample([asks, waits, sends, self._leaf()], k=3)

    def _around(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        each = {"items": self._random.choice(("{{items}}", "{{order.items}}")), "item_var": "item"}
        beside = {"strategy": self._random.choice(("all_must_pass", "any_can_pass", "best_effort"))}
        kind, how = self._random.choice((("foreach", each), ("parallel", beside)))
        return [self._step(kind) | how | {"steps": steps}, self._leaf()]

    def _list(self) -> dict[str, Any]:
        return {"execute": self._random.choices(ACTS, k=self._random.randint(1, 3))}

    def _condition(self) -> dict[str, Any]:
        inner = self._random.choices(COMPARISONS, k=self._random.randint(1, 3))
        join = self._random.choice((None, "and", "or"))
        return {"condition": inner[0] if join is None else {join: inner}}


def _numbered(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each step an id of its own, and the steps inside of it too."""
    return [
        {"id": step_id, **step}
        | ({"steps": _numbered(step["steps"])} if isinstance(step.get("steps"), list) else {})
        for step_id, step in zip(IDS, steps, strict=False)
    ]


STEPS = Steps(seed=2026)
POOL = STEPS.some(6_000) + [step for steps in STEPS.deep(1_000) for step in steps]

contexts = st.sampled_from((CONTEXTS[0], *CONTEXTS))
# By number, for Hypothesis writes out what it samples from.
definitions = st.lists(st.integers(0, len(POOL) - 1), min_size=2, max_size=5).map(
    lambda numbers: {"steps": _numbered([POOL[number] for number in numbers])}
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.sampled_from(["", "block", "1h", "{{x}}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=3,
)


@st.composite
def broken_definitions(draw: st.DrawFn) -> Any:
    """Return a definition in which something was put in the place of something else."""
    document = deepcopy(draw(definitions))  # its parts are shared with other documents
    steps = tuple(document["steps"])
    for _ in range(draw(st.integers(1, 3))):
        _break(draw, draw(st.sampled_from((document, *steps * 5))))
    return document


def _break(draw: st.DrawFn, place: Any) -> None:
    """Put junk somewhere into a place; seldom for an id, as most of that is refused at once."""
    keys = [key for key in place if key != "id"] if isinstance(place, dict) else []
    while keys:
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.integers(0, 2)) == 0:
            place[key] = draw(junk)
            return
        place = place[key]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))


replies = st.sampled_from(
    ("approved", "rejected", "expired", "event", "timeout", "manual", "refused", "retry")
)
results = st.sampled_from(("ok", "ok", "500", "timeout", "fault", "later"))
