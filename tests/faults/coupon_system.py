"""A partner's own coupon system during the run: it is told of coupons, has its moods, and is held against the database.

`wrong_with` is pure; `coupons_of` asks the database.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.stand.receiver import Got, Receiver, answer, own_code, receiving
from tests.stand.telling import a_program
from tests.stand.webhooks import a_webhook

RETRIES = ",".join(["0", *["1"] * 99])
"""As a setting: so many that a mood gives up nobody."""
MOODS = (answer(503), answer(202), answer(200, body=b"{"), b"")
"""What is answered in place of a code; nothing closes the connection."""
MOODY = 0.1
"""Of all requests."""
PROGRAM = {
    "campaigns": [
        {
            "name": "Played",
            "type": "Spin The Wheel",
            "isRepeatable": True,
            "rewards": [{"couponReward": {"couponType": "percentage", "discountValue": 10}}],
        }
    ]
}
"""Each game that is played earns a coupon."""
UNTOLD = "SELECT count(*) FROM coupons WHERE game_id IS NULL AND external_code IS NULL"
"""Coupons of programs whose codes have not come yet."""
_COUPONS = """
    SELECT c.id::text AS coupon_id, customer_id, d.seq, c.issued_at, c.external_code AS code
    FROM coupons c JOIN customers USING (customer_no) JOIN decisions d USING (event_key) WHERE c.game_id IS NULL"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A coupon of a program; `seq`, `issued_at`: the place of its decision, by either clock."""

    coupon_id: str
    customer_id: str
    seq: int
    issued_at: datetime
    code: str | None

    @property
    def id(self) -> str:
        """By which its partner is told of it."""
        return f"issued_{self.coupon_id}"

    def is_before(self, other: Issued) -> bool:
        """However the clocks went meanwhile."""
        return self.seq < other.seq and self.issued_at < other.issued_at


@asynccontextmanager
async def coupon_system(
    settings: Settings, partner_id: int, dice: random.Random
) -> AsyncIterator[Receiver]:
    """It runs while the block lasts, and the partner's program issues coupons that it is told of."""

    def moody(got: Got) -> bytes:
        return dice.choice(MOODS) if dice.random() < MOODY else own_code(got)

    async with receiving(moody) as receiver:
        owner = await connect(settings, "faults", role=None)
        try:
            await a_program(owner, partner_id, **PROGRAM)
            await a_webhook(owner, partner_id, settings, url=receiver.url, enablePercentage=True)
        finally:
            await owner.close()
        yield receiver


async def coupons_of(settings: Settings) -> list[Issued]:
    """Every one that a partner's system is to be told of."""
    owner = await connect(settings, "faults", role=None)
    try:
        return [Issued(**row) for row in await owner.fetch(_COUPONS)]
    finally:
        await owner.close()


def wrong_with(coupons: Sequence[Issued], heard: Sequence[str]) -> list[str]:
    """What is not as promised, where these ids were heard, in this order: each at least once, and in its line's order."""
    firsts = {id_: place for place, id_ in reversed(list(enumerate(heard)))}
    known = {one.id for one in coupons}
    wrong = [f"{id_} was told and is no coupon" for id_ in firsts if id_ not in known]
    lines = defaultdict(list)
    for one in coupons:
        if one.id not in firsts:
            wrong.append(f"{one.id} was never told")
            continue
        lines[one.customer_id].append(one)
        if one.code != f"OWN-{one.id}":
            wrong.append(f"{one.id} has the code {one.code}")
    for line in lines.values():
        wrong += _out_of_order(line, firsts)
    return wrong


def _out_of_order(line: list[Issued], firsts: dict[str, int]) -> Iterator[str]:
    for first, then in combinations(sorted(line, key=lambda one: firsts[one.id]), 2):
        if then.is_before(first):
            yield f"{then.id} of {then.customer_id} was told behind {first.id}"
