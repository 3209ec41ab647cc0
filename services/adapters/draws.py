"""Draw coupon ids and codes for a whole batch at once, so that the rules need no randomness."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import accumulate

from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from
from services.domain.coupons.issuing import Draw

_RANDOM_HEX_DIGITS_PER_ID = 20
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def draws_for(counts: Sequence[int]) -> list[Sequence[Draw]]:
    """For each event as many draws as it may need."""
    drawn = draws(sum(counts))
    if len(drawn) == len(counts) and max(counts) == 1:
        return [(draw,) for draw in drawn]  # nearly always
    ends = list(accumulate(counts))
    return [drawn[end - count : end] for end, count in zip(ends, counts, strict=True)]


def draws(count: int) -> list[Draw]:
    """`count` fresh pairs of a coupon id (UUID version 7, so that new rows land side by side) and a code."""
    codes = codes_from(os.urandom(RANDOM_BYTES_PER_CODE * count))
    digits = os.urandom(_RANDOM_HEX_DIGITS_PER_ID // 2 * count).hex()
    moment = f"{time.time_ns() // 1_000_000:012x}"
    head = f"{moment[:8]}-{moment[8:]}-7"
    drawn = []
    for code, at in zip(codes, range(0, len(digits), _RANDOM_HEX_DIGITS_PER_ID), strict=True):
        r = digits[at : at + _RANDOM_HEX_DIGITS_PER_ID]
        # 74 of the 80 bits are used: 3 digits, then the two variant bits replace two of the next digit's.
        drawn.append(Draw(coupon_id=f"{head}{r[:3]}-{_VARIANT[r[3]]}{r[4:7]}-{r[7:19]}", code=code))
    return drawn
