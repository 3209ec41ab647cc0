"""Where a webhook must not lead: every kind of address, and every way to write one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.gameball_v4.webhook_addresses import forbidden, literal_address

FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1",
]  # fmt: skip
ALLOWED = ["1.1.1.1", "8.8.8.8", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "223.255.255.255",
           "2606:4700::1111", "2a00:1450:4001::1"]  # fmt: skip
ODD = [
    "127.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "127.0.0.01", "127.0.0.1.", "1.1.1.1.",
    "256.1.1.1", "1.2.3", "example.0x", "example.7", "127。0。0。1", "１２７.0.0.1", "127．0．0．1", "①②⑦.0.0.1",
    "fe80::1%25eth0", "fe80::1%eth0", "%31%32%37.0.0.1", "::1::", "::ffff:1.2.3.400",
]  # fmt: skip
NAMES = [
    "shop.example",
    "shop.example.",
    "localhost",
    "0x7f.example",
    "1.example",
    "xn--bcher-kva.example",
    "bücher.example",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_address_that_is_nobodys_on_the_internet_is_forbidden(address: str) -> None:
    """Also where it is written into a URL."""
    assert forbidden(ip_address(address))
    assert literal_address(address) == ip_address(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_address_of_somebody_is_allowed(address: str) -> None:
    """The nearest neighbours of forbidden ones among them."""
    assert not forbidden(ip_address(address))


@pytest.mark.parametrize("host", ODD)
def test_odd_spelling_is_no_address_and_no_name(host: str) -> None:
    """Some resolver would make an address of it, and we cannot know which."""
    with pytest.raises(ValueError):
        literal_address(host)


@pytest.mark.parametrize("host", NAMES)
def test_name_is_no_address(host: str) -> None:
    """It is judged when it is resolved."""
    assert literal_address(host) is None


def test_address_with_a_zone_is_forbidden() -> None:
    """Whatever it would be without."""
    assert forbidden(ip_address("2606:4700::1111%1"))


@given(st.ip_addresses())
def test_what_python_knows_as_not_global_is_forbidden(address: object) -> None:
    """Our list is the longer one: it also leaves out what only carries another address."""
    found = ip_address(str(address))
    assert found.is_global or forbidden(found)
