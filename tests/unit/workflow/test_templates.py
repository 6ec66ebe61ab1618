from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import mask_secrets, resolve_secrets, secrets_in
from resumer_daemon.workflow.templates import SIZE, Names, reference, render, render_text

NAMES = Names(
    now=datetime(2026, 1, 31, 9, 30, 59, 999_999, tzinfo=UTC),
    execution_id=UUID(int=1), execution_key="exec_1", workflow_id="w", step_id="s",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{order.items}}", "order.items"),
        ("${order.items}", "order.items"),
        ("{{ order.items }}", "order.items"),
        ("{{a}}{{b}}", None),
        (" {{a}}", None),
        ("{{a}} ", None),
        ("{{}}", None),
        ("{{ }}", None),
        ("a", None),
        ("", None),
        (None, None),
        (5, None),
        (["{{a}}"], None),
    ],
)
def test_a_reference_is_the_whole_text(text, path):
    assert reference(text) == path


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (datetime(2026, 1, 31, 9, 30, 59, 999_999, tzinfo=UTC), "2026-01-31T09:30:59Z"),
        (datetime(2026, 1, 31, 9, 30), "2026-01-31T09:30:00Z"),  # noqa: DTZ001 - taken as UTC
        (datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=5))), "2026-01-30T20:00:00Z"),
    ],
)
def test_now_is_told_in_utc_to_the_second(now, text):
    names = Names(now, "e", "exec_1", "w", "s")
    assert render("{{now}}", {}, names, set()) == text


def test_a_time_after_all_times_is_missing():
    unresolved: set[str] = set()
    names = Names(datetime(9999, 12, 31, tzinfo=UTC), "e", "exec_1", "w", "s")
    assert render("{{now + 48h}}", {}, names, unresolved) is None
    assert unresolved == {"now + 48h"}


def test_an_id_is_put_in_as_text():
    assert render("{{execution.id}}", {}, NAMES, set()) == str(UUID(int=1))


def test_what_is_not_touched_is_the_same_object():
    items = [{"sku": "A"}]
    assert render("{{items}}", {"items": items}, NAMES, set()) is items


def test_a_secret_is_put_in_once_whatever_it_holds():
    rendered = render("{{secrets.A}}{{secrets.B}}", {}, NAMES, set())
    assert secrets_in(rendered) == {"A", "B"}
    a_looks_like_b = resolve_secrets("\ufdd0B\ufdd1", {"B": "never"}.__getitem__)
    sent = resolve_secrets(rendered, {"A": "\ufdd0B\ufdd1{{secrets.B}}", "B": "b"}.__getitem__)
    assert a_looks_like_b == "never", "what this test hides in a secret would be resolved"
    assert sent == "\ufdd0B\ufdd1{{secrets.B}}b"


def test_keys_hold_no_secrets():
    rendered = render({"{{secrets.A}}": "{{secrets.A}}"}, {}, NAMES, set())
    assert resolve_secrets(rendered, lambda name: name.lower()) == {"{{secrets.A}}": "a"}


def test_data_cannot_reach_a_secret_by_any_way_into_a_request():
    mark = "\ufdd0TOKEN\ufdd1"
    context = {"t": mark, "l": [mark, {"k": mark}], "o": {mark: mark}, "half": ["\ufdd0", "\ufdd1"]}
    request = {
        "url": render_text("https://x/{{t}}/{{o}}", context, NAMES, set()),
        "body": render(
            {"t": "{{t}}", "l": "{{l}}", "o": "{{o}}", "p": "{{half.0}}TOKEN{{half.1}}"},
            context, NAMES, set(),
        ),
        "plain": render_text(context["o"], {}, NAMES, set()),
    }  # fmt: skip
    assert secrets_in(request) == set()
    assert resolve_secrets(request, lambda name: f"LEAK {name}") == request
    assert mask_secrets(request) == request


def test_an_unknown_secret_is_for_the_caller_to_refuse():
    known: dict[str, str] = {}
    with pytest.raises(KeyError):
        resolve_secrets(render("{{secrets.GONE}}", {}, NAMES, set()), known.__getitem__)


def test_what_is_rendered_has_a_size():
    context = {"big": "x" * 1_000_000, "list": ["y" * 1_000_000]}
    assert len(render("{{big}}{{big}}{{big}}", context, NAMES, set())) == 3_000_000
    large: list[Any] = ["{{big}}" * 5, ["{{big}}"] * 5, ["{{list}}"] * 5, "x" * (SIZE + 1)]
    for template in [*large, [[]] * SIZE]:
        with pytest.raises(StepError, match="at most"):
            render(template, context, NAMES, set())


def test_nesting_has_a_limit():
    deep: Any = "{{a}}"
    for _ in range(10_000):
        deep = [deep]
    for template, context in ((deep, {"a": 1}), ("{{a}}", {"a": deep}), ("x{{a}}", {"a": deep})):
        with pytest.raises(StepError, match="nested"):
            render(template, context, NAMES, set())
    for walk in (secrets_in, mask_secrets):
        with pytest.raises(StepError, match="nested"):
            walk(deep)


@pytest.mark.parametrize(
    "text",
    ["{{" * 500_000, "${" * 500_000, "{{a" * 300_000, "}}" * 500_000, "{{ " + " " * 1_000_000],
)
def test_braces_take_no_more_time_than_there_are(text):
    assert render(text, {}, NAMES, set()) == text


def test_a_path_may_be_as_long_as_it_likes():
    path = "a." * 500_000 + "a"
    unresolved: set[str] = set()
    assert render("{{" + path + "}}", {"a": {"a": 1}}, NAMES, unresolved) is None
    assert unresolved == {path}
