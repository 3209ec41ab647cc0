"""What partners ask for at once, of points and coupons: redemptions and undoing them; and codes that they bring."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.adapters.postgres.pools import PoolCodeRow, add_codes, add_made, open_pool
from services.adapters.postgres.programs import stored_programs
from services.decisions.accounts_by_hand import ByHand
from services.decisions.program_changes import sections_of
from services.decisions.redemptions_by_hand import Redeemed, Undone, redeem, undo
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from, display
from tests.simulation.comparing import Comparing
from tests.simulation.faults import Crash, FaultyPool
from tests.simulation.programs import DEFAULT_RULE, GROUPS

Ask = Callable[..., Awaitable[Any]]


class _Refused(Exception):
    """Nothing may be left of it."""


@dataclass(slots=True)
class Spending:
    """Of one partner."""

    pool: asyncpg.Pool
    chance: random.Random
    partner_id: int
    comparing: Comparing

    async def redeem(self, asked: ByHand, deciding: Deciding) -> None:
        """Points into a coupon."""
        who, wanted = await self.redemption(asked.customer_id)
        asked = replace(asked, customer_id=who)
        await self._ask("points.redeem", redeem, asked, deciding, wanted)

    async def undo(self, asked: ByHand, deciding: Deciding) -> None:
        """A coupon that was redeemed is given back."""
        who, wanted = await self.redeemed(asked.customer_id)
        asked = replace(asked, customer_id=who)
        await self._ask("points.undo", undo, asked, deciding, wanted)

    async def redemption(self, customer_id: str) -> tuple[str, dict[str, Any]]:
        """Who redeems, and what they ask for: mostly somebody who has points, and by a rule that there is.

        Points are asked for whether or not the rule wants to know.
        """
        if self.chance.random() < 0.7:
            rich = await self.pool.fetchval(
                "SELECT customer_id FROM wallets JOIN customers USING (customer_no) ORDER BY balance DESC, customer_id LIMIT 1"
            )
            customer_id = rich or customer_id
        ids = await self.comparing.rule_ids()
        rule_id = self.chance.choice((DEFAULT_RULE, *ids, *ids, *ids, 999))
        return customer_id, {
            "rule_id": rule_id,
            "points": self.chance.choice((None, 0, 1, 5, 20, 100)),
        }

    async def redeemed(self, customer_id: str) -> tuple[str, dict[str, Any]]:
        """Who gives what back: mostly a coupon that points were redeemed for; now and then any, or somebody else."""
        row = await self.pool.fetchrow(
            "SELECT customer_id, id::text FROM coupons JOIN customers USING (customer_no) WHERE $1 OR source_kind = 'redemption'"
            " ORDER BY $1 OR status <> 'active', md5(id::text || $2) LIMIT 1",
            self.chance.random() < 0.2, str(self.chance.random()),
        )  # fmt: skip
        if row is None:
            return customer_id, {"coupon_id": str(UUID(int=1))}
        who = customer_id if self.chance.random() < 0.1 else row["customer_id"]
        return who, {"coupon_id": row["id"]}

    async def _ask(
        self, type_: str, ask: Ask, asked: ByHand, deciding: Deciding, wanted: dict[str, Any]
    ) -> None:
        """The answer is held against the model's: a refusal now, since nothing is kept of it, else with its decision."""
        data = {"customer_id": asked.customer_id, **wanted}
        self.comparing.by_hand[asked.event_id] = data
        pool = FaultyPool(self.pool, self.chance)
        pool.fuse = self.chance.randint(0, 20) if self.chance.random() < 0.2 else None
        offset: timedelta = deciding.manner.clock_offset
        before = await self.comparing.would_say(type_, data, offset)
        answer: Any = None
        try:
            async with pool.acquire() as connection, connection.transaction():
                answer = await ask(connection, asked, deciding, **wanted)
                if not isinstance(answer, Redeemed | Undone):
                    raise _Refused
        except Crash:
            return
        except _Refused:
            after = await self.comparing.would_say(type_, data, offset)
            if answer not in {before, after}:
                self.comparing.wrong.append(f"{type_} {data}: {answer}, should be {after}")
            return
        self.comparing.answers[asked.event_id] = (answer.points, answer.balance)

    async def fill(self) -> None:
        """A group is given codes: the partner's own or made by us, some for the second time, some that a coupon shows."""
        handle = self.chance.choice(GROUPS)
        pools, shown = self.comparing.book.pools, sorted(self.comparing.book.codes)
        async with self.pool.acquire() as connection, connection.transaction():
            stored = await stored_programs(connection, [self.partner_id])
            if sections_of(stored[self.partner_id]).group(handle) is None:
                return
            if self.chance.random() < 0.4:
                rows = self._made(handle)
                assert await add_made(connection, rows) == len(rows)
                codes, refused = [row.code for row in rows], []
            else:
                codes = [
                    f"{self.chance.choice('AB')}-{self.chance.randint(1, 40)}" for _ in range(4)
                ]
                codes += [self.chance.choice(shown)] if shown and self.chance.random() < 0.3 else []
                refused = list(
                    (await add_codes(connection, self.partner_id, handle, codes)).duplicates
                )
            await open_pool(connection, self.partner_id, handle)
        if (ours := pools.add(handle, codes, shown)) != refused:
            self.comparing.wrong.append(f"codes {codes}: {refused} refused, should be {ours}")

    def _made(self, handle: str) -> list[PoolCodeRow]:
        count, prefix = self.chance.randint(1, 4), self.chance.choice(("", "OURS"))
        own = codes_from(self.chance.randbytes(RANDOM_BYTES_PER_CODE * count))
        run = UUID(bytes=self.chance.randbytes(16))
        return [
            PoolCodeRow(self.partner_id, display(code, prefix), handle, code, prefix, run)
            for code in own
        ]
