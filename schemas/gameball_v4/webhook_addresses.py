"""Where a webhook must not lead: addresses that are nobody's on the internet, and texts that only hide one.

Whoever sends asks `forbidden` of every address that a name has at that moment; what is written as an address is judged
as soon as it is set.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

FORBIDDEN_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, the clouds' metadata among it
        "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",  # protocols, relays of 6to4, benchmarks
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast among it
    )
)  # fmt: skip
ALLOWED_V6: Final = IPv6Network("2000::/3")
"""What is given out. Outside of it: unspecified, loopback, mapped, NAT64, unique local, link-local, multicast."""
FORBIDDEN_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4: any IPv4 address inside
    )
)  # fmt: skip

LONGEST_NAME: Final = 253
_bracketed = re.compile(r"\[[^\]]+\](:[0-9]*)?").fullmatch
_label = re.compile(r"[A-Za-z0-9_-]{1,63}").fullmatch
_number = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*").fullmatch
_DOTS: Final = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})


def forbidden(address: Address) -> bool:
    """Whether nobody's partner can be there."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in FORBIDDEN_V4)
    return (
        address.scope_id is not None
        or address not in ALLOWED_V6
        or any(address in network for network in FORBIDDEN_V6)
    )


def can_be_called(netloc: str) -> bool:
    """Whether the host of this part of a URL, with or without a port, is an address in brackets or a name of labels."""
    if netloc.startswith("["):
        return _bracketed(netloc) is not None
    try:
        name = netloc.partition(":")[0].translate(_DOTS).removesuffix(".").encode("idna").decode()
    except UnicodeError:
        return False
    return len(name) <= LONGEST_NAME and all(map(_label, name.split(".")))


def literal_address(host: str) -> Address | None:
    """The address that a host of a URL is (of IPv6 without its brackets), or None: it is a name.

    Raises ValueError for one in an odd spelling: with a zone, shortened, in other bases, in other digits, in escapes.
    """
    if "%" in host:
        raise ValueError("a zone, or an escape")
    if ":" in host:
        return IPv6Address(host)
    plain = unicodedata.normalize("NFKC", host.translate(_DOTS)).translate(_DOTS)
    if not _number(plain.removesuffix(".").rpartition(".")[2]):
        return None
    return IPv4Address(host)
