"""Codes: how they are made, how they are read, what their check symbol catches."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.coupons.codes import ALPHABET, codes_from, display, is_prefix, is_valid, parse

BETWEEN = [
    "",
    "-",
    " ",
    "\u2011",
    "\u2013",
    "\u2212",
    "\u00ad",
    "\u00a0",
    "\r\n",
    "\t",
    "\u200b",
    "\ufeff",
    "\u2060",
    "_",
    ".",
]
bodies = st.binary(min_size=10, max_size=10)


@given(bodies)
def test_code_drawn_is_valid_and_reads_back(randomness):
    """Any ten random bytes make a code that checks and survives being displayed and typed."""
    (code,) = codes_from(randomness)

    assert is_valid(code)
    assert parse(display(code)) == ("", code)
    assert parse(display(code, "SUMMER").lower()) == ("SUMMER", code)


@given(bodies, st.integers(0, 15), st.sampled_from(ALPHABET))
def test_code_with_one_wrong_symbol_is_refused(randomness, place, wrong):
    """The check symbol catches every single wrong symbol."""
    (code,) = codes_from(randomness)
    changed = code[:place] + wrong + code[place + 1 :]

    assert is_valid(changed) is (changed == code)


@given(bodies)
def test_code_is_read_without_regard_to_look_alikes(randomness):
    """O reads as 0, I and L as 1, dashes and spaces do not matter."""
    (code,) = codes_from(randomness)
    typed = display(code).replace("0", "o").replace("1", "l").replace("-", " ")

    assert parse(typed) == ("", code)


@pytest.mark.parametrize("text", ["", "ABC", "U" * 16, "0" * 15 + "1", "Ω" * 16, "-" * 20])
def test_code_that_cannot_be_ours_is_none(text):
    """Too short, outside the alphabet, or with a wrong check symbol."""
    assert parse(text) is None


@given(bodies, st.lists(st.sampled_from(BETWEEN), min_size=17, max_size=17))
def test_code_is_its_letters_and_digits(randomness, between):
    """Whatever else stands between them, and in whatever form Unicode has them."""
    (code,) = codes_from(randomness)
    wide = "".join(chr(ord(symbol) + 0xFEE0) for symbol in code)
    for symbols in (code, code.lower(), wide):
        typed = between[0] + "".join(map("".join, zip(symbols, between[1:], strict=True)))
        assert parse(typed) == ("", code)


@pytest.mark.parametrize("sign", ["é", "ı", "ſ", "ж", "٣", "ß"])
def test_letters_outside_ascii_are_letters(sign):
    """So a text that has one names no coupon, even where upper case would make ASCII of it."""
    (code,) = codes_from(bytes(10))
    assert parse(f"{code}{sign}") is None
    assert (parse(f"{sign}{code}") is None) == (sign != "ſ")  # folded to s by compatibility


@pytest.mark.parametrize("prefix", ["OIL", "SUMMER", "L0L1"])
def test_prefix_is_read_with_its_look_alikes(prefix):
    """O and 0, I, L and 1 are alike in it too; without it any prefix will do."""
    (code,) = codes_from(bytes(10))
    for typed in (prefix, prefix.lower(), prefix.translate(str.maketrans("OIL", "01I"))):
        read = parse(f"{typed}-{code}")
        assert read is not None
        assert is_prefix(read[0], prefix)
        assert not is_prefix(read[0], f"{prefix}X")
        assert not is_prefix(read[0], "")
    assert is_prefix("", prefix)


def test_text_of_any_length_is_read():
    """And a long one is not kept."""
    (code,) = codes_from(bytes(10))
    assert parse("-" * 1_000_000 + code) == ("", code)
    assert parse("Ω" * 1_000_000) is None


def test_codes_of_a_batch_are_as_many_as_asked_and_differ():
    """One call draws a whole batch."""
    codes = codes_from(os.urandom(10 * 500))
    assert len(set(codes)) == 500
    with pytest.raises(ValueError, match="multiple of 10"):
        codes_from(b"123")
