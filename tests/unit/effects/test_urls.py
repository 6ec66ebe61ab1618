"""URLs are parsed in one way only."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.effects.throttle import origin_of
from resumer_daemon.effects.urls import read_url
from tests.harness.receiver import effect, secret

HOSTILE = json.loads((Path(__file__).parents[2] / "data/hostile_urls.json").read_text())
ODD = ["other spellings of numbers", "characters", "ports", "schemes and no schemes"]
ODD += ["users, confusion about where the host ends"]

VISIBLE = re.compile(r"/[!-~]*")
HOST = re.compile(r"[a-z0-9_.:-]+")


@pytest.mark.parametrize(
    ("text", "origin_", "target"),
    [
        ("http://a.example", "http://a.example", "/"),
        ("HTTPS://A.Example.:443/B", "https://a.example", "/B"),
        ("https://a.example:80?q=1#part", "https://a.example:80", "/?q=1"),
        ("http://a.example/a/../b//c", "http://a.example", "/a/../b//c"),
        ("http://a.example/%2e%zz", "http://a.example", "/%2e%zz"),
        ("http://a.example/ü?q=ü", "http://a.example", "/%C3%BC?q=%C3%BC"),
        ('http://a.example/"<>`{|}^', "http://a.example", "/%22%3C%3E%60%7B%7C%7D%5E"),
        ("http://a.example/@x:[1]", "http://a.example", "/@x:[1]"),
        ("http://bücher.example/", "http://xn--bcher-kva.example", "/"),
        ("http://1.2.3.4:8080/", "http://1.2.3.4:8080", "/"),
        ("http://[2606:4700:0:0::1]/", "http://[2606:4700::1]", "/"),
        ("http://[2606:4700::1]:81/", "http://[2606:4700::1]:81", "/"),
        ("http://_dmarc.a_b.example/", "http://_dmarc.a_b.example", "/"),
    ],
)
def test_read_url_parses_and_normalizes(text, origin_, target):
    url = read_url(text)
    assert (url.origin, url.target) == (origin_, target)


# plain forms, whose address the guard checks
PLAIN = {
    "http://example.com#@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://localhost:22/",
    "http://localhost:6379/",
}


@pytest.mark.parametrize("kind", ODD)
def test_read_url_refuses_ambiguous_urls(kind):
    for text in set(HOSTILE[kind]) - PLAIN:
        with pytest.raises(ValueError):  # noqa: PT011 - its text does not matter
            raise AssertionError(read_url(text))


@given(st.text())
def test_read_url_parses_or_refuses_any_text(text):
    for candidate in (text, f"http://{text}", f"http://a.example/{text}"):
        try:
            url = read_url(candidate)
        except ValueError:
            continue
        assert VISIBLE.fullmatch(url.target)
        assert HOST.fullmatch(url.host)
        assert read_url(f"{url.origin}{url.target}") == url


def test_origin_of_an_effect_needs_no_secret():
    assert origin_of(effect(f"https://a.example/{secret('X')}")) == "https://a.example"
    assert origin_of(effect(f"https://{secret('X')}.example/")) == ""
