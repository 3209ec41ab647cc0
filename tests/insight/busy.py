"""A shop that has been busy: everything that may happen to coupons, stamps and limits has, by the real doors."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from aiokafka import ConsumerRecord

from schemas.topics import GAME_COMPLETED, ORDERS
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.pool import connect
from services.decisions.by_hand import IssueByHand, IssuedByHand, issue_by_hand
from services.decisions.manner import Manner
from services.decisions.passing_time import settle_due
from services.decisions.steps import StepRequest, take_step
from services.decisions.transaction import Deciding
from services.domain.coupons.coupon import Step
from services.runtime.settings import Settings
from tests.stand import records
from tests.stand.commands import run_process
from tests.stand.issuing import a_game, a_partner
from tests.stand.till import Till
from tests.stand.world import at_work, send, until_settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Games:
    """Ids: one coupon at a time; any number; two stamp cards, the second's coupons one at a time; a limit for each
    customer; one for all; coupons of a day."""

    single: int
    many: int
    card: int
    single_card: int
    few: int
    scarce: int
    brief: int


class Shop:
    """One partner's, with an issuer and a relay at work while something comes from a topic."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, till: Till) -> None:
        self.settings, self.connection, self.till = settings, connection, till
        self.shop_id = 0

    async def tell(self, topic: str, *some: ConsumerRecord) -> None:
        """Decided and published when it returns."""
        messages = [(one.key.decode(), list(one.headers), one.value) for one in some]
        async with at_work(self.settings):
            await send(self.settings, messages, topic)
            await until_settled(self.settings)

    async def step(self, customer: str, game_id: int, step: Step) -> None:
        """By staff, on the customer's newest coupon of the game."""
        request = StepRequest(
            coupon_id=(await self.coupon(customer, game_id)),
            step=step,
            shop_id=self.shop_id,
            actor="staff",
            reserve_for=timedelta(minutes=15),
        )
        async with self.connection.transaction():
            answer = await take_step(self.connection, request, Manner.by(self.settings))
        assert answer
        assert answer.refusal is None

    async def coupon(self, customer: str, game_id: int) -> str:
        """The id of the newest."""
        id_ = await self.connection.fetchval(
            "SELECT c.id FROM coupons c JOIN customers USING (customer_no) JOIN decisions d USING (event_key)"
            " WHERE customer_id = $1 AND c.game_id = $2 ORDER BY d.seq DESC LIMIT 1",
            customer,
            game_id,
        )
        assert id_
        return str(id_)

    async def code(self, customer: str, game_id: int) -> str:
        """Of the newest."""
        return str(
            await self.connection.fetchval(
                "SELECT code FROM coupons WHERE id = $1", await self.coupon(customer, game_id)
            )
        )

    async def issue(self, customer: str, game_id: int) -> None:
        """By hand."""
        asked = IssueByHand(
            partner_id=self.till.partner_id,
            game_id=game_id,
            customer_id=customer,
            event_id=str(uuid.uuid4()),
        )
        deciding = Deciding(Manner.by(self.settings))
        async with self.connection.transaction():
            assert isinstance(await issue_by_hand(self.connection, asked, deciding), IssuedByHand)

    async def let_days_pass(self) -> None:
        """What is over by then is recorded."""
        later = Manner(clock_offset=timedelta(days=2))
        async with self.connection.transaction():
            assert (await settle_due(self.connection, later, actor="sweeper", limit=100)).expired


async def make_busy(settings: Settings) -> Games:
    """All of it, decided and published."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    partner_id = await a_partner(connection)
    any_number = {"allow_multiple_active_coupons": True}
    card = {"game_type": "stamps", "stamps_required": 2, "coupon_validity_days": 30}
    games = Games(
        single=await a_game(connection, partner_id),
        many=await a_game(connection, partner_id, code_prefix="MANY", **any_number),
        card=await a_game(connection, partner_id, **card, **any_number),
        single_card=await a_game(connection, partner_id, **card),
        few=await a_game(connection, partner_id, customer_limit=3, customer_limit_per_day=2, **any_number),
        scarce=await a_game(connection, partner_id, total_limit=3, **any_number),
        brief=await a_game(connection, partner_id, coupon_validity_days=1),
    )  # fmt: skip
    shop = Shop(settings, connection, Till(partner_id))
    shop.shop_id = await connection.fetchval("SELECT min(id) FROM shops")
    await _play(shop, games)
    await _use(shop, games)
    await _fill_cards(shop)
    await _meet_limits(shop, games)
    await shop.let_days_pass()
    told = await asyncio.to_thread(
        run_process, settings, "republish", "--game-id", str(games.single)
    )
    assert told.code == 0, told.err
    async with at_work(settings):
        await until_settled(settings)
    await connection.close()
    return games


async def _play(shop: Shop, games: Games) -> None:
    """Won by everybody, twice by some; one id that two customers use, and a record that cannot be read."""
    till = shop.till
    again = till.completed(games.many, "ona")
    other = till.completed(games.many, "jonas")
    await shop.tell(
        GAME_COMPLETED,
        *(till.completed(game, who) for who in ("ona", "jonas") for game in (games.single, games.many)),
        till.completed(games.single, "jonas"),
        till.completed(games.brief, "laima"),
        again,
        records.again(again),
        records.again(other, record_headers=again.headers),
        *records.poison(),
    )  # fmt: skip
    await shop.issue("eglė", games.many)


async def _use(shop: Shop, games: Games) -> None:
    """Ona's coupon is used and given back twice, by an order and by staff; Jonas' reserved, released, reserved, used."""
    code = await shop.code("ona", games.single)
    await shop.tell(
        ORDERS,
        shop.till.placed("o-1", code, "0000-0000-0000-0000", customer_id="ona"),
        shop.till.cancelled("o-1", customer_id="ona"),
    )
    for step in (Step.REDEEMED, Step.REINSTATED, Step.REDEEMED):
        await shop.step("ona", games.single, step)
    for step in (Step.RESERVED, Step.RELEASED, Step.RESERVED, Step.REDEEMED):
        await shop.step("jonas", games.single, step)
    await shop.tell(
        GAME_COMPLETED,
        *(shop.till.completed(games.single, who) for who in ("ona", "jonas")),
    )


async def _fill_cards(shop: Shop) -> None:
    """Petras fills two cards of each game: the second single one earns nothing. One stamp more is taken back."""
    placed = [shop.till.placed(f"p-{n}", customer_id="petras") for n in range(5)]
    await shop.tell(ORDERS, *placed[:4])
    await shop.tell(ORDERS, placed[4], shop.till.cancelled("p-4", customer_id="petras"))
    await shop.tell(ORDERS, shop.till.placed("p-5", customer_id="petras"))


async def _meet_limits(shop: Shop, games: Games) -> None:
    """Both limits are reached, a coupon is cancelled, its place taken again; then the owner lowers them."""
    till, limited = shop.till, (games.few, games.scarce)
    for _ in range(2):
        await shop.tell(
            GAME_COMPLETED, *(till.completed(game, "rūta") for game in limited for _ in range(4))
        )
        for game in limited:
            await shop.step("rūta", game, Step.CANCELLED)
    await shop.tell(GAME_COMPLETED, *(till.completed(game, "rūta") for game in limited))
    for game, limits in ((games.few, "customer_limit = 1"), (games.scarce, "total_limit = 1")):
        await shop.connection.execute(f"UPDATE games SET {limits} WHERE id = {game}")
    await shop.tell(GAME_COMPLETED, *(till.completed(game, "rūta") for game in limited))
