"""Coupon ids and codes that follow from the event: keyed hashes, so that the rules need no randomness.

A decision that is lost, by a failover or a backup that lags, and made again gives the same coupon the same id and code,
and so every message about it the same `ce_id`. Nobody without the installation's secret can tell a code from an event.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, overload

from services.domain.arrival import Incoming
from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, code_from
from services.domain.coupons.issuing import Draw
from services.domain.events import GameCompleted

_ID_BYTES: Final = 10
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_LATEST_MS: Final = 2**48 - 1

Asked = Sequence[tuple[Incoming, int]]
"""Events, each with the most coupons that it can earn."""


class Drawing:
    """Draws with one secret; without one with randomness of this process, for who records nothing."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._keyed = blake2b(
            key=secret or os.urandom(32), digest_size=RANDOM_BYTES_PER_CODE + _ID_BYTES
        )

    def draws_for(self, asked: Asked, taken: Collection[Draw] = ()) -> Sequence[Sequence[Draw]]:
        """For each event as many draws as it may need; never a `taken` one, but the next that follows from it."""
        keyed = self._keyed
        drawn: list[Sequence[Draw]] = [
            (_draw(keyed, incoming.event_key, incoming.timestamp_ms),)
            if count == 1 and type(incoming.event) is GameCompleted
            else _Draws(keyed, incoming, range(count))
            for incoming, count in asked
        ]
        return self._free(asked, drawn, set(taken)) if taken else drawn

    def _free(
        self,
        asked: Sequence[tuple[Incoming, int]],
        drawn: Sequence[Sequence[Draw]],
        taken: set[Draw],
    ) -> list[Sequence[Draw]]:
        """A collision comes once in 10¹⁵ coupons or so; a counter leads past it, the same way each time."""
        codes, ids = {draw.code for draw in taken}, {draw.coupon_id for draw in taken}
        free: list[Sequence[Draw]] = []
        for (incoming, _), mine in zip(asked, drawn, strict=True):
            kept = []
            for number, first in enumerate(mine):
                draw, counter = first, 0
                while draw.code in codes or draw.coupon_id in ids:
                    counter += 1
                    key = f"{incoming.event_key}.{number}.{counter}"
                    draw = _draw(self._keyed, key, incoming.timestamp_ms)
                kept.append(draw)
            free.append(tuple(kept))
        return free


class _Draws(Sequence[Draw]):
    """Of one event, by number. Each is made when it is asked for: orders may bring coupons, few do; a won game nearly
    always does, and its draw is cheaper made at once."""

    __slots__ = ("_incoming", "_keyed", "_numbers")

    def __init__(self, keyed: blake2b, incoming: Incoming, numbers: range) -> None:
        self._keyed = keyed
        self._incoming = incoming
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Draw: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Draw]: ...
    def __getitem__(self, index: int | slice) -> Draw | Sequence[Draw]:
        if isinstance(index, slice):
            return _Draws(self._keyed, self._incoming, self._numbers[index])
        number, incoming = self._numbers[index], self._incoming
        key = f"{incoming.event_key}.{number}" if number else incoming.event_key
        return _draw(self._keyed, key, incoming.timestamp_ms)


def _draw(keyed: blake2b, key: str, timestamp_ms: int) -> Draw:
    hashed = keyed.copy()
    hashed.update(key.encode())
    digest = hashed.digest()
    # 74 of the last 80 bits are used: 3 digits, then the two variant bits replace two of the next digit's.
    r = digest[RANDOM_BYTES_PER_CODE:].hex()
    id_ = f"{_moment(timestamp_ms)}{r[:3]}-{_VARIANT[r[3]]}{r[4:7]}-{r[7:19]}"
    return Draw(coupon_id=id_, code=code_from(digest[:RANDOM_BYTES_PER_CODE]))


@lru_cache(maxsize=1024)  # a poll has few of them
def _moment(timestamp_ms: int) -> str:
    """When the record was appended, so that new rows land side by side, as the first digits of a UUID version 7."""
    digits = f"{min(max(timestamp_ms, 0), _LATEST_MS):012x}"
    return f"{digits[:8]}-{digits[8:]}-7"
