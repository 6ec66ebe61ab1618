"""The setting `RESUMER_HTTP_ALLOW`."""

from ipaddress import ip_address

import pytest

from resumer_daemon.effects.allowlist import read_allow_list
from resumer_daemon.errors import SettingsError


def test_empty_allow_list_allows_nothing():
    allow = read_allow_list("  , ,")
    assert not allow.has_name("localhost", 80)
    assert not allow.has_address(ip_address("127.0.0.1"), 80)


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("internal.example", "internal.example", 1, True),
        ("Internal.Example.", "internal.example", 1, True),
        ("internal.example:8080", "internal.example", 8080, True),
        ("internal.example:8080", "internal.example", 80, False),
        ("internal.example", "sub.internal.example", 80, False),
        ("internal.example", "notinternal.example", 80, False),
        ("*.svc.local", "a.svc.local", 80, True),
        ("*.svc.local:80", "a.b.svc.local", 80, True),
        ("*.svc.local:80", "a.svc.local", 81, False),
        ("*.svc.local", "svc.local", 80, False),
        ("*.svc.local", "evilsvc.local", 80, False),
        ("bücher.example", "xn--bcher-kva.example", 80, True),
        ("10.0.0.1", "10.0.0.1", 80, False),
    ],
)
def test_allow_list_matches_host_names(entry, host, port, allowed):
    assert read_allow_list(f"x, {entry},y").has_name(host, port) is allowed


@pytest.mark.parametrize(
    ("entry", "address", "port", "allowed"),
    [
        ("10.1.0.0/16", "10.1.255.255", 1, True),
        ("10.1.0.0/16", "10.2.0.0", 1, False),
        ("10.1.0.0/16:80", "10.1.0.1", 80, True),
        ("10.1.0.0/16:80", "10.1.0.1", 81, False),
        ("127.0.0.1", "127.0.0.1", 1, True),
        ("127.0.0.1:80", "127.0.0.1", 81, False),
        ("10.1.0.0/16", "::ffff:10.1.0.1", 1, False),
        ("::1", "::1", 1, True),
        ("fd00::/8", "fd12::1", 1, True),
        ("[fd00::/8]:80", "fd12::1", 80, True),
        ("[fd00::/8]:80", "fd12::1", 81, False),
        ("[::1]", "::1", 81, True),
        ("0.0.0.0/0", "10.0.0.1", 1, True),
    ],
)
def test_allow_list_matches_networks(entry, address, port, allowed):
    assert read_allow_list(entry).has_address(ip_address(address), port) is allowed


def test_error_names_every_invalid_entry():
    wrong = "a b, 10.1.2.3/8, 10.0.0.256, http://x, x:0, x:70000, 127.1, *.*, *, [::1, 10.0.0.0/33"
    with pytest.raises(SettingsError) as caught:
        read_allow_list(f"good.example, {wrong}")
    for entry in wrong.split(", "):
        assert repr(entry) in str(caught.value)
    assert "good" not in str(caught.value)
