"""Definitions, contexts and answers for Hypothesis: mostly sensible, sometimes not at all."""

from typing import Any

from hypothesis import strategies as st

IDS = ("a", "b", "c", "d/e", "f#g")
CONTEXT = {
    "total": 5,
    "text": "x {{total}}",
    "items": [1, {"n": 2}, "three"],
    "none": [],
    "order": {"id": 7, "items": [[1, 2], []]},
    "nil": None,
}
PATHS = ("total", "text", "order.id", "gone.field", "item.n", "items.length", "approved", "nil")
LISTS = ("{{items}}", "{{none}}", "{{order.items}}", "{{item}}", "{{gone}}", "{{total}}", "items")
TEMPLATES = ("plain", "{{order}}", "n {{item}} {{item_index}}", "{{gone}}", "${now}", "{{secrets.K}}")

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.sampled_from(["", "block", "1h", "{{x}}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)
texts = st.sampled_from(TEMPLATES)
ways = st.sampled_from((*IDS, "nowhere"))
durations = st.sampled_from(("10s", "1h", "250ms", "soon", "-1s"))


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


comparisons = st.fixed_dictionaries(
    {
        "field": st.sampled_from(PATHS),
        "operator": st.sampled_from(("eq", "gt", "exists", "not_exists", "contains", "odd")),
        "value": st.sampled_from((5, "x", None, "{{total}}", "{{gone}}")),
    }
)
conditions = st.one_of(
    comparisons,
    st.builds(lambda inner: {"and": inner}, st.lists(comparisons, max_size=2)),
    st.builds(lambda inner: {"or": inner}, st.lists(comparisons, max_size=2)),
)
acts = st.one_of(
    st.builds(lambda text: {"type": "log", "message": text}, texts),
    st.builds(lambda text: {"type": "notify", "recipients": ["x"], "message": text}, texts),
    st.builds(lambda text: {"type": "webhook", "url": "https://x.example", "body": text}, texts),
    st.just({"type": "webhook", "url": "https://y.example", "continue_on_error": True}),
    st.builds(lambda text: {"type": "create_record", "entity": "e", "data": [text]}, texts),
    st.builds(lambda entity: {"type": "create_approval_request", "entity": entity}, texts),
    st.just({"type": "fax"}),
)
lists = st.lists(acts, max_size=3)
retries = objects(
    max_attempts=st.integers(0, 3),
    backoff=st.sampled_from(("linear", "fixed", "exponential")),
    retry_on=st.sampled_from(([], ["timeout"], ["5xx"], ["*"])),
)
common = {"next": ways, "on_error": ways, "retry": retries, "timeout": durations}
rules = st.sampled_from(("good", "off", "empty", "gone"))


def _typed(kind: str, needed: dict[str, Any], **fields: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries({"type": st.just(kind), **needed}, optional={**common, **fields})


leaves = st.one_of(
    _typed("condition", {"condition": conditions}, rule_id=rules, on_true=ways, on_false=ways),
    _typed("action", {"action": st.sampled_from(("allow", "block"))}, execute=lists, reason=texts),
    _typed(
        "require_approval",
        {},
        requires=objects(approvals=st.integers(1, 3), roles=st.just(["r", "s"]), timeout=durations),
        execute=lists,
        on_true=ways,
        on_false=ways,
        on_timeout=ways,
    ),
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
                "items": st.sampled_from(LISTS),
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
    document = draw(definitions)
    for _ in range(draw(st.integers(1, 3))):
        place: Any = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(junk)
            break
    return document


replies = st.sampled_from(
    ("approved", "rejected", "expired", "event", "timeout", "manual", "refused", "retry")
)
results = st.sampled_from(("ok", "ok", "500", "timeout", "fault", "later"))
