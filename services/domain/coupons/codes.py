"""Coupon codes: `XXXX-XXXX-XXXX-XXXX`, 15 random Crockford base32 symbols and a check symbol.

The check symbol is Luhn mod 32 over the same alphabet: it catches every single wrong symbol and nearly
every swap of neighbours. Codes are read by their letters and digits alone, after Unicode compatibility folding: case,
dashes of any kind, spaces, line ends, invisible signs do not matter, nor do O/0 and I/L/1. Letters outside ASCII are
letters, so a text with one names no coupon. A game's prefix stands before the code and is no part of the check.
Stored form: the 16 symbols alone.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import normalize

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BODY_SYMBOLS = 15
CODE_SYMBOLS = BODY_SYMBOLS + 1
RANDOM_BYTES_PER_CODE = 10
"""16 symbols of 5 bits; the last symbol is replaced by the check symbol, so 75 bits are random."""

_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_READ = str.maketrans("OIL", "011")
_LONGEST_CACHED = 64


def _addend(value: int, factor: int) -> int:
    product = value * factor
    return product // 32 + product % 32


# Luhn doubles every second symbol from the right of the body; with 15 symbols the doubled ones stand at the
# even places. Two neighbours, 10 bits, are looked up at once: codes are drawn for every event.
_PAIR = {a + b: _addend(_VALUE[a], 2) + _addend(_VALUE[b], 1) for a in ALPHABET for b in ALPHABET}
_SYMBOLS, _SUMS = list(_PAIR), list(_PAIR.values())
_LAST = {a: _addend(_VALUE[a], 2) for a in ALPHABET}


def check_symbol(body: str) -> str:
    """The check symbol for 15 symbols of the alphabet; KeyError for any other symbol."""
    total = (
        _PAIR[body[0:2]]
        + _PAIR[body[2:4]]
        + _PAIR[body[4:6]]
        + _PAIR[body[6:8]]
        + _PAIR[body[8:10]]
        + _PAIR[body[10:12]]
        + _PAIR[body[12:14]]
        + _LAST[body[14]]
    )
    return ALPHABET[-total % 32]


def codes_from(randomness: bytes) -> list[str]:
    """One stored code per 10 random bytes; the length must be a multiple of 10."""
    if len(randomness) % RANDOM_BYTES_PER_CODE:
        raise ValueError(f"{len(randomness)} bytes are not a multiple of {RANDOM_BYTES_PER_CODE}")
    return [
        code_from(randomness[i : i + RANDOM_BYTES_PER_CODE])
        for i in range(0, len(randomness), RANDOM_BYTES_PER_CODE)
    ]


def code_from(randomness: bytes) -> str:
    """A stored code: the first 75 of these 80 bits, and the check symbol in place of the others."""
    bits = int.from_bytes(randomness, "big")
    a, b, c, d = bits >> 70, bits >> 60 & 1023, bits >> 50 & 1023, bits >> 40 & 1023
    e, f, g, last = bits >> 30 & 1023, bits >> 20 & 1023, bits >> 10 & 1023, bits & 0b1111100000
    total = _SUMS[a] + _SUMS[b] + _SUMS[c] + _SUMS[d] + _SUMS[e] + _SUMS[f] + _SUMS[g] + _SUMS[last]
    return (
        _SYMBOLS[a] + _SYMBOLS[b] + _SYMBOLS[c] + _SYMBOLS[d]
        + _SYMBOLS[e] + _SYMBOLS[f] + _SYMBOLS[g] + _SYMBOLS[last | -total % 32]
    )  # fmt: skip


def display(code: str, prefix: str = "") -> str:
    """The code as people see it: groups of four, after the game's prefix if it has one."""
    grouped = f"{code[0:4]}-{code[4:8]}-{code[8:12]}-{code[12:16]}"
    return f"{prefix}-{grouped}" if prefix else grouped


def shown(code: str, prefix: str, external: str | None) -> str:
    """What a customer shows: the code that the partner brought, else ours."""
    return display(code, prefix) if external is None else external


def ending(text: str) -> str:
    """The last four characters of a code, no more than half of a short one: to tell it from others, not to use it."""
    return text[len(text) - min(len(text) // 2, 4) :]


def parse(text: str) -> tuple[str, str] | None:
    """`(prefix, code)` as typed or scanned, or None when it cannot be a code of ours.

    The last 16 symbols are the code. What stands before them is the prefix, in the form that `is_prefix` compares.
    """
    return _parsed(text) if len(text) <= _LONGEST_CACHED else _parse(text)


def _parse(text: str) -> tuple[str, str] | None:
    symbols = "".join(filter(str.isalnum, normalize("NFKC", text)))
    # Before the case is folded: that makes ASCII of a dotless i and a long s.
    if len(symbols) < CODE_SYMBOLS or not symbols.isascii():
        return None
    plain = symbols.upper().translate(_READ)
    prefix, code = plain[:-CODE_SYMBOLS], plain[-CODE_SYMBOLS:]
    return (prefix, code) if is_valid(code) else None


# An order's codes are read when its coupons are loaded, and again by the rules.
_parsed = lru_cache(maxsize=4096)(_parse)


def is_prefix(read: str, prefix: str) -> bool:
    """Whether a prefix as `parse` gives it may stand for this one: it is the same but for look-alikes, or left out."""
    return not read or read == prefix.upper().translate(_READ)


def is_valid(code: str) -> bool:
    """16 symbols of the alphabet whose last one checks the others."""
    return (
        len(code) == CODE_SYMBOLS
        and not code.strip(ALPHABET)
        and code[-1] == check_symbol(code[:BODY_SYMBOLS])
    )
