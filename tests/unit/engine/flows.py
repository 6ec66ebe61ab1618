"""Definitions, contexts and answers for Hypothesis: mostly sensible, sometimes not at all.

Parts are picked from lists where that says as much, for most of the time goes into making them up.
"""

from collections import ChainMap
from copy import deepcopy
from itertools import product
from typing import Any

from hypothesis import strategies as st

IDS = ("a", "b", "c", "d/e", "f#g")
ITEMS = [1, {"n": 2}, "three"]
WAYS = (None, *IDS[:4], "nowhere")
RETRIES = (
    {"max_attempts": 2},
    {"max_attempts": 3, "backoff": "linear", "retry_on": ["timeout"]},
    {"max_attempts": 2, "retry_on": ["5xx"]},
)
REQUIRES = (None, {"approvals": 2}, {"roles": ["r", "s"], "timeout": "1h"}, {"role": "{{item}}"})
WEBHOOK = {"type": "webhook", "url": "https://x.example", "body": {"at": "{{now}}"}}
ACTS = (
    {"type": "log", "message": "{{item}} ${gone}"},
    {"type": "notify", "recipients": ["x"], "message": "{{approval.decision}}!"},
    {"type": "notify", "recipients": "{{gone}}", "message": "never"},
    WEBHOOK,
    WEBHOOK,
    WEBHOOK | {"continue_on_error": True},
    WEBHOOK | {"headers": {"X-Item": "{{item}}"}},
    {"type": "create_record", "entity": "e", "data": ["{{item}}"]},
    {"type": "create_approval_request", "entity": "order"},
    {"type": "create_approval_request", "entity": "{{gone}}"},
    {"type": "fax"},
)
COMPARISONS = tuple(
    {"field": field, "operator": operator, "value": value}
    for field in ("total", "order.items", "gone.field", "item.n", "items.length", "approved")
    for operator in ("eq", "gt", "exists", "not_exists", "contains", "odd")
    for value in (5, True, None, "{{total}}", "{{gone}}")
)


def _every(**choices: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with each combination of these values, None being left out."""
    every = [
        {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        for values in product(*choices.values())
    ]
    # By number, for Hypothesis writes out what it samples from.
    return st.integers(0, len(every) - 1).map(lambda number: every[number])


def _step(kind: str, *parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    return st.builds(lambda *objects: {"type": kind} | dict(ChainMap(*objects)), common, *parts)


contexts = st.sampled_from(
    (
        {"total": 5, "text": "{{total}}", "items": ITEMS, "order": {"items": [[1, 2], []]}},
        {"total": "5", "items": [], "approved": True, "order": None},
        {"items": ITEMS * 2, "order": {"items": ITEMS}, "approval": {"approved": "yes"}},
        {},
    )
)
common = _every(
    next=WAYS,
    on_error=(None, None, None, *WAYS),
    retry=(None, None, None, *RETRIES),
    timeout=(None, None, "10s", "soon"),
)
texts = _every(
    reason=(None, "plain", "{{order}}", "n {{item}} {{item_index}}", "{{secrets.K}}", "${now}")
)
lists = st.builds(
    lambda acts: {"execute": acts}, st.lists(st.sampled_from(ACTS), min_size=1, max_size=3)
)
conditions = st.builds(
    lambda join, inner: {"condition": inner[0] if join is None else {join: inner}},
    st.sampled_from((None, None, "and", "or")),
    st.lists(st.sampled_from(COMPARISONS), min_size=1, max_size=3),
)
leaves = st.one_of(
    _step(
        "condition",
        conditions,
        _every(on_true=WAYS, on_false=WAYS, rule_id=(None,) * 6 + ("good", "off", "empty")),
    ),
    _step("action", texts, _every(action=("allow", "block"))),
    _step("action", texts, lists, _every(action=("allow", "block"))),
    _step(
        "require_approval",
        _every(on_true=WAYS, on_false=WAYS, on_timeout=WAYS, requires=REQUIRES),
    ),
    _step("require_approval", lists, _every(on_true=WAYS, on_false=WAYS)),
    _step("execute", lists),
    _step("execute", lists),
    _step("wait", _every(event=("e",), on_timeout=WAYS, on_event=WAYS)),
    _step("wait", st.just({"for": "1h"})),
)


def _groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    bodies = st.builds(lambda steps: {"steps": steps}, st.lists(inner, min_size=1, max_size=3))
    items = ("{{items}}", "{{items}}", "{{order.items}}", "{{item}}", "{{total}}")
    return st.one_of(
        _step("parallel", bodies, _every(strategy=(None, "any_can_pass", "best_effort"))),
        _step("foreach", bodies, _every(items=items, item_var=("item",))),
    )


def _numbered(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each step an id of its own, and the steps inside of it too."""
    return [
        {"id": step_id, **step}
        | ({"steps": _numbered(step["steps"])} if isinstance(step.get("steps"), list) else {})
        for step_id, step in zip(IDS, steps, strict=False)
    ]


definitions = st.builds(
    lambda steps: {"steps": _numbered(steps)},
    st.lists(st.recursive(leaves, _groups, max_leaves=4), min_size=1, max_size=4),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.sampled_from(["", "block", "1h", "{{x}}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)


@st.composite
def broken_definitions(draw: st.DrawFn) -> Any:
    """Return a definition in which something was put in the place of something else."""
    document = deepcopy(draw(definitions))  # its parts are shared with other documents
    for _ in range(draw(st.integers(1, 3))):
        _break(draw, document)
    return document


def _break(draw: st.DrawFn, place: Any) -> None:
    while keys := list(place) if isinstance(place, dict) else list(range(len(place))):
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.integers(0, 2)) == 0:
            place[key] = draw(junk)
            return
        place = place[key]


replies = st.sampled_from(
    ("approved", "rejected", "expired", "event", "timeout", "manual", "refused", "retry")
)
results = st.sampled_from(("ok", "ok", "500", "timeout", "fault", "later"))
