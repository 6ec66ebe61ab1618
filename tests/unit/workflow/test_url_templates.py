"""What a reference contributes to a URL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.secret_refs import marked
from resumer_daemon.workflow.templates import Names, render_url
from resumer_daemon.workflow.url_templates import LONGEST, names_user, refusal, resolve_url

NAMES = Names(datetime(2026, 1, 31, tzinfo=UTC), "e", "exec_1", "w", "s")
H = "https://h.example"


def rendered(text: str, **context: Any) -> str:
    return render_url(text, context, NAMES, set())


@pytest.mark.parametrize(  # C15
    ("text", "value", "url"),
    [
        (f"{H}/orders/{{{{x}}}}/release", "A 7", f"{H}/orders/A%207/release"),
        (f"{H}/orders/${{x}}/release", "A/7?b#c", f"{H}/orders/A%2F7%3Fb%23c/release"),
        (f"{H}/o?note={{{{x}}}}&b=1", "two &=+%", f"{H}/o?note=two%20%26%3D%2B%25&b=1"),
        (f"{H}?note={{{{x}}}}", "ü/?", f"{H}?note=%C3%BC%2F%3F"),
        (f"{H}/o#{{{{x}}}}", "a b#", f"{H}/o#a%20b%23"),
        (f"{H}/a%20b/{{{{x}}}}", "%20", f"{H}/a%20b/%2520"),
        (f"{H}/{{{{x}}}}", "\r\nX: 1", f"{H}/%0D%0AX%3A%201"),
        (f"{H}/{{{{x}}}}", {"a": [1]}, f"{H}/%7B%22a%22%3A%5B1%5D%7D"),
        (f"{H}/v{{{{x}}}}", "..", f"{H}/v.."),
        (f"{H}/o?x={{{{x}}}}", "..", f"{H}/o?x=.."),
        (f"{H}/a/../{{{{x}}}}", "b", f"{H}/a/../b"),
        ("https://{{x}}/o", "h.example:8443", "https://h.example:8443/o"),
        ("https://{{x}}/o", "bücher.example", "https://bücher.example/o"),
        ("https://{{x}}/o", "[::1]:80", "https://[::1]:80/o"),
        ("https://{{x}}.h.example/o", "evil.example/", "https://evil.example%2F.h.example/o"),
        ("https://{{x}}/o", "u:p@h", "https://u:p%40h/o"),
        ("{{x}}", "https://h.example/a b?c", "https://h.example/a b?c"),
        ("{{x}}/orders/{{x}}", "https://h", "https://h/orders/https%3A%2F%2Fh"),
        ("{{x}}&id={{y}}", "https://h/a?b=//c", "https://h/a?b=//c&id=1%202"),
        ("{{x}}://h.example/{{y}}", "https", "https://h.example/1%202"),
    ],
)  # fmt: skip
def test_a_reference_in_a_url_is_encoded_by_its_position(text, value, url):
    assert rendered(text, x=value, y="1 2") == url


@pytest.mark.parametrize("value", [".", ".."])
@pytest.mark.parametrize("text", ["/a/{{x}}/b", "/a/{{x}}", "/a/{{x}}?b", "/{{empty}}{{x}}#f"])
def test_a_reference_that_would_climb_out_of_its_segment_is_refused(text, value):
    with pytest.raises(StepError, match="not a path segment"):
        rendered(H + text, x=value, empty="")


@pytest.mark.parametrize("text", ["/a/%2e{{x}}", "/a/{{x}}%2E/b"])
def test_a_dot_is_a_dot_in_each_of_its_spellings(text):
    with pytest.raises(StepError, match="not a path segment"):
        rendered(H + text, x=".")


def test_a_reference_that_leads_nowhere_is_told():
    unresolved: set[str] = set()
    assert render_url(f"{H}/{{{{gone}}}}", {}, NAMES, unresolved).startswith(f"{H}/")
    assert unresolved == {"gone"}


def test_a_url_that_is_too_long_is_refused_before_it_is_searched_again_and_again():
    with pytest.raises(StepError, match="a URL of more than"):
        rendered(f"{H}/" + "{{x}}" * 5000, x="y" * LONGEST)


@pytest.mark.parametrize(
    ("text", "secrets", "url"),
    [
        ("http://h/{{secrets.A}}?{{secrets.B}}", {"A": "a/b", "B": "c&"}, "http://h/a%2Fb?c%26"),
        ("{{secrets.A}}", {"A": "https://h/a?b=c d"}, "https://h/a?b=c d"),
        ("{{secrets.A}}/{{x}}/{{secrets.B}}", {"A": "http://h/a", "B": "?"}, "http://h/a/1%202/%3F"),
        ("https://{{secrets.A}}/{{x}}", {"A": "u:p@h"}, "https://u:p%40h/1%202"),
    ],
)  # fmt: skip
def test_a_secret_in_a_url_is_encoded_as_any_other_reference(text, secrets, url):
    assert resolve_url(rendered(text, x="1 2"), secrets.__getitem__) == url


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://user:pw@h/", True),
        ("https://user@h", True),
        ("https://@h/", True),
        ("HTTPS://user:p%20w@h?x", True),
        (f"https://{marked('secrets.A')}@h/", True),
        ("https:\\\\user:pw@h/", True),
        ("user:pw@h/", True),
        ("https://h/a@b?c@d#e@f", False),
        ("https://h?a@b", False),
        ("https://h", False),
    ],
)
def test_a_url_with_a_user_name_is_told(url, named):
    assert names_user(url) is named


def test_a_refused_url_does_not_repeat_what_may_be_a_password():
    assert refusal(rendered("https://{{x}}/o", x="user:pw@h")) == "not a URL"
    assert refusal("ftp://h/o") == "not a URL: ftp://h/o"
