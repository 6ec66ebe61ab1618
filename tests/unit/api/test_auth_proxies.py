"""The address of the client, behind proxies and without."""

import pytest

from resumer_daemon.api.auth import Proxies
from resumer_daemon.config import load_settings
from resumer_daemon.errors import SettingsError

URL = "postgresql://resumer@localhost/orders"


@pytest.mark.parametrize(  # C37
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", ["198.51.100.1", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("10.1.2.3", [" 203.0.113.7:4711 "], "203.0.113.7"),
        ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1, , 10.4.4.4"], "10.4.4.4"),
        ("10.1.2.3", ["10.4.4.4"], "10.4.4.4"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("::1", ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:9::1", [], "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("", ["203.0.113.7"], ""),
        ("testclient", ["203.0.113.7"], "testclient"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(peer, forwarded, client):
    settings = load_settings(database_url=URL, http_trusted_proxies="10.0.0.0/8, ::1")
    assert Proxies(settings.http_trusted_proxies).client(peer, forwarded) == client


@pytest.mark.parametrize("wrong", ["proxy.local", "10.1.0.0/33", "10.1.0.5/16", "10.0.0.0/8; ::1"])
def test_what_is_no_network_is_refused_with_its_setting(wrong):
    with pytest.raises(SettingsError, match="RESUMER_HTTP_TRUSTED_PROXIES"):
        load_settings(database_url=URL, http_trusted_proxies=wrong)
