"""Definitions, contexts and answers for Hypothesis: mostly sensible, sometimes not at all.

Parts are picked from lists where that says as much, for most of the time goes into making them up.
"""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

IDS = ("a", "b", "c", "d/e", "f#g")
ITEMS = [1, {"n": 2}, "three"]
contexts = st.sampled_from(
    (
        {"total": 5, "text": "{{total}}", "items": ITEMS, "order": {"items": [[1, 2], []]}},
        {"total": "5", "items": [], "approved": True, "order": None},
        {"items": ITEMS * 2, "order": {"items": ITEMS}, "approval": {"approved": "yes"}},
        {},
    )
)

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.sampled_from(["", "block", "1h", "{{x}}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)
texts = st.sampled_from(
    ("plain", "{{order}}", "n {{item}} {{item_index}}", "{{gone}}", "${now}", "{{secrets.K}}")
)
ways = st.sampled_from((*IDS, "nowhere"))
durations = st.sampled_from(("10s", "1h", "250ms", "soon", "-1s"))
comparisons = st.builds(
    lambda field, operator, value: {"field": field, "operator": operator, "value": value},
    st.sampled_from(("total", "order.items", "gone.field", "item.n", "items.length", "approved")),
    st.sampled_from(("eq", "gt", "exists", "not_exists", "contains", "odd")),
    st.sampled_from((5, True, None, "{{total}}", "{{gone}}")),
)
conditions = comparisons | st.builds(
    lambda join, inner: {join: inner}, st.sampled_from(("and", "or")), st.lists(comparisons)
)
webhook = {"type": "webhook", "url": "https://x.example", "body": {"at": "{{now}}"}}
acts = st.sampled_from(
    (
        {"type": "log", "message": "{{item}} ${gone}"},
        {"type": "notify", "recipients": ["x"], "message": "{{approval.decision}}!"},
        {"type": "notify", "recipients": "{{gone}}", "message": "never"},
        webhook,
        webhook,
        webhook | {"continue_on_error": True},
        webhook | {"headers": {"X-Item": "{{item}}"}},
        {"type": "create_record", "entity": "e", "data": ["{{item}}"]},
        {"type": "create_approval_request", "entity": "order"},
        {"type": "create_approval_request", "entity": "{{gone}}"},
        {"type": "fax"},
    )
)
lists = st.lists(acts, min_size=1, max_size=3)
retries = st.sampled_from(
    (
        {"max_attempts": 2},
        {"max_attempts": 3, "backoff": "linear", "retry_on": ["timeout"]},
        {"max_attempts": 2, "retry_on": ["5xx"]},
    )
)
requires = st.sampled_from(
    ({"approvals": 2}, {"roles": ["r", "s"], "timeout": "1h"}, {"role": "{{item}}"})
)
common = {"next": ways, "on_error": ways, "retry": retries, "timeout": durations}


def _typed(kind: str, needed: dict[str, Any], **fields: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries({"type": st.just(kind), **needed}, optional={**common, **fields})


leaves = st.one_of(
    _typed(
        "condition",
        {"condition": conditions},
        rule_id=st.sampled_from(("good", "off", "empty", "gone")),
        on_true=ways,
        on_false=ways,
    ),
    _typed("action", {"action": st.sampled_from(("allow", "block"))}, execute=lists, reason=texts),
    _typed(
        "require_approval",
        {},
        requires=requires,
        execute=lists,
        on_true=ways,
        on_false=ways,
        on_timeout=ways,
    ),
    _typed("execute", {"execute": lists}),
    _typed("execute", {"execute": lists}),
    _typed("wait", {"event": st.just("e")}, timeout=durations, on_timeout=ways, on_event=ways),
    _typed("wait", {"for": durations}),
)
some_steps = st.recursive(
    leaves,
    lambda inner: st.one_of(
        _typed(
            "parallel",
            {"steps": st.lists(inner, min_size=1, max_size=3)},
            strategy=st.sampled_from(("all_must_pass", "any_can_pass", "best_effort")),
        ),
        _typed(
            "foreach",
            {
                "items": st.sampled_from(("{{items}}", "{{order.items}}", "{{item}}", "{{total}}")),
                "item_var": st.just("item"),
                "steps": st.lists(inner, min_size=1, max_size=3),
            },
        ),
    ),
    max_leaves=4,
)


def _numbered(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each step an id of its own, and the steps inside of it too."""
    return [
        {"id": step_id, **step}
        | ({"steps": _numbered(step["steps"])} if isinstance(step.get("steps"), list) else {})
        for step_id, step in zip(IDS, steps, strict=False)
    ]


definitions = st.builds(
    lambda steps: {"steps": _numbered(steps)}, st.lists(some_steps, min_size=1, max_size=4)
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
