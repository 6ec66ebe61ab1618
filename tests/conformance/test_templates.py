"""Every template of `templates/*.json`.

A group has a context. A case is `[template, rendered, unresolved, sent]`: as it is shown (secrets
as references), the paths that lead nowhere (none if left out), and as it is sent where the group
has secrets. `"as": "text"` renders where only text fits.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from resumer_daemon.workflow.secret_refs import mask_secrets, resolve_secrets, secrets_in
from resumer_daemon.workflow.templates import Names, render, render_text
from resumer_daemon.workflow.values import Json, dump, load
from tests.conformance.cases import groups, name

NAMES = {
    "now": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    "execution_id": "00000000-0000-4000-8000-000000000001",
    "execution_key": "exec_0badcafe",
    "workflow_id": "high_value_order",
    "step_id": "notify_manager",
    "approval_id": "00000000-0000-4000-8000-00000000000a",
    "approval_url": "https://approve.test/a",
}


def _cases() -> Iterator[Any]:
    for group in groups("templates"):
        for template, rendered, *rest in group.written["cases"]:
            unresolved = rest[0] if rest else []
            sent = rest[1] if len(rest) > 1 else rendered
            case_id = name(group.file, template, "->", rendered)
            yield pytest.param(group.written, template, rendered, unresolved, sent, id=case_id)


CASES = list(_cases())


@pytest.mark.parametrize(("group", "template", "rendered", "unresolved", "sent"), CASES)
def test_a_template_is_rendered_as_its_sentence_says(group, template, rendered, unresolved, sent):
    names = Names(**{**NAMES, **group.get("names", {})})
    secrets: dict[str, str] = group.get("secrets", {})
    missing: set[str] = set()
    written = dump(template)

    put = render_text if group.get("as") == "text" else render
    result = put(template, group["context"], names, missing)

    assert exact(mask_secrets(result)) == exact(rendered)
    assert missing == set(unresolved)
    assert dump(template) == written, "the definition is left as it was"
    if secrets:
        stored = load(dump(result))
        assert exact(resolve_secrets(stored, secrets.__getitem__)) == exact(sent)
        assert not [value for value in ("s3cr3t", "k3y") if value in dump(result)]
        assert secrets_in(result) <= secrets.keys()


def exact(value: Json) -> str:
    """As JSON text, 1 and 1.0 and true are three values."""
    return dump(value)


def test_there_are_as_many_cases_as_promised():
    assert len(CASES) >= 100
