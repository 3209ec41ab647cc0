"""Codes: how they are made, how they are read, what their check symbol catches."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.coupons.codes import ALPHABET, codes_from, display, is_valid, parse

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


def test_code_prefix_keeps_its_letters():
    """Look-alikes are folded in the code only: a prefix may contain O, I and L."""
    (code,) = codes_from(bytes(10))
    assert parse(f"OIL-{code}") == ("OIL", code)


def test_codes_of_a_batch_are_as_many_as_asked_and_differ():
    """One call draws a whole batch."""
    codes = codes_from(os.urandom(10 * 500))
    assert len(set(codes)) == 500
    with pytest.raises(ValueError, match="multiple of 10"):
        codes_from(b"123")
