"""Public and non-public addresses."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumer_daemon.effects.allowlist import as_address, refusal_of_address

INSIDE = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23"),
    *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
    *("fec0::/10", "ff00::/8", "4000::/2", "8000::/1"),
]


@pytest.mark.parametrize("network", INSIDE)
def test_both_ends_of_non_public_networks_are_refused(network):
    inside = ip_network(network)
    for address in (inside[0], inside[1], inside[-1]):
        assert refusal_of_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.0", "168.63.129.15", "169.253.255.255", "169.255.0.0"),
        *("172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0"),
        *("198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111"),
        *("2001:200::1", "2001:4860:4860::8888", "2a00:1450::1", "2620:fe::fe"),
    ],
)
def test_public_addresses_are_not_refused(address):
    assert refusal_of_address(ip_address(address)) is None


@given(st.ip_addresses())
def test_addresses_that_python_calls_non_public_are_refused(address):
    known = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
        not address.is_global,
    )
    if any(known):
        assert refusal_of_address(address)


@given(st.ip_addresses(v=4))
def test_ipv4_addresses_inside_ipv6_addresses_are_refused(address):
    number = int(address)
    for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
        assert refusal_of_address(IPv6Address(int(IPv6Address(prefix)) | number))
    assert refusal_of_address(IPv6Address(0x2002 << 112 | number << 80))


@pytest.mark.parametrize(
    "text", ["127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "fe80::1%eth0", "", "host", "::1 "]
)
def test_non_standard_addresses_are_not_parsed(text):
    assert as_address(text) is None
