"""A shop whose program has been busy: everything that may happen to points, tiers, campaigns and referrals has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from schemas.partners.cards import read_card
from schemas.topics import CUSTOMERS, FOLLOW_UPS, ORDERS
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.cards import insert_card
from services.adapters.postgres.pool import connect
from services.adapters.postgres.pools import add_codes, open_pool
from services.decisions.accounts_by_hand import Booked, ByHand, book_points
from services.decisions.manner import Manner
from services.decisions.redemptions_by_hand import Redeemed, Undone, redeem, undo
from services.decisions.steps import StepRequest, take_step
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import check_symbol, display
from services.domain.coupons.coupon import Step
from services.runtime.settings import Settings
from services.sweeper.accounts import Line, birthdays_line, points_line, settle_once
from tests.stand.issuing import a_partner
from tests.stand.telling import a_program, ordered, refunded, told
from tests.stand.world import at_work, send, until_settled


def _campaign(name: str, event: str, *rewards: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One that may be achieved any number of times."""
    trigger = {"eventName": event, **more.pop("trigger", {})}
    kept = {"name": name, "type": "EventBased", "isRepeatable": True, "trigger": trigger}
    return kept | {"rewards": list(rewards)} | more


def _fixed(value: int, **options: Any) -> dict[str, Any]:
    return {"couponType": "fixed_discount", "discountValue": value, "options": options}


PICKED = "Ačiū!7"
_OVER_40 = [{"name": "total", "operator": "greater_than", "value": "40"}]
PROGRAM: dict[str, Any] = {
    "settings": {"currency": "EUR"},
    "redemption": {
        "pointsExpiryPeriod": 30, "defaultRule": {"valueOfPoint": Decimal("0.1")},
        "rules": [
            {
                "ruleType": "percentage_discount_settings", "pointsToRedeem": 100,
                "coupon": {"discountValue": 15, "options": {"usageLimit": 2}},
            },
            {"ruleType": "general_settings", "coupon": {}},
        ],
    },
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
        },
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1, "benefits": []},
        {
            "name": "Silver", "minProgress": 100, "order": 2,
            "benefits": [
                {"type": "Entry Reward", "walletReward": 500},
                {"type": "Lifetime Reward", "couponReward": _fixed(3)},
            ],
        },
    ],
    "referrals": {
        "referralMethod": "CustomerAndFriend", "eventName": "place_order",
        "friendReward": {"point": 50, "coupon": _fixed(4)},
        "customerReward": {"point": 200, "coupon": _fixed(6)}, "extraReward": None,
    },
    "couponGroups": [
        {"handle": "gifts", "expiryDate": "2099-12-31"}, {"handle": "over", "expiryDate": "2020-12-31"},
        {"handle": "few", "maxTotal": 2, "maxPerCustomer": 1}, {"handle": "pool"},
    ],
    "campaigns": [
        _campaign(
            "Visits", "visit",
            {
                "walletReward": 10,
                "couponReward": {
                    "couponType": "percentage_discount", "discountValue": 10,
                    "options": {"usageLimit": 2, "couponPrefix": "VISIT"},
                },
            },
            maxAchievement=3, trigger={"count": 2},
        ),
        _campaign(
            "Large orders", "place_order", {"walletReward": 7, "couponReward": {"couponType": "free_shipping"}},
            trigger={"eventMetaData": _OVER_40},
        ),
        _campaign(
            "Large orders too", "place_order", {"couponReward": _fixed(5, expiryAfter=14)},
            trigger={"eventMetaData": _OVER_40},
        ),
        _campaign(
            "Twice on bread", "place_order", {"walletRewardFactor": 2},
            type="Reward Campaign", applicableTo={"collections": ["bread"]}, trigger={},
        ),
        _campaign(
            "Born", "birthday", {"walletReward": 25, "couponReward": {"couponType": "custom", "group": {"handle": "gifts"}}},
            type="Birthday",
        ),
        _campaign(
            "Too late", "look", {"rankReward": 1, "couponReward": {"couponType": "custom", "group": {"handle": "over"}}},
        ),
        _campaign("Few", "ask", {"couponReward": {"couponType": "custom", "group": {"handle": "few"}}}),
        _campaign("Pool", "pick", {"couponReward": _fixed(1) | {"group": {"handle": "pool"}}}),
    ],
}  # fmt: skip
_CARD = {
    "title": {"en": "Card", "lt": "Kortelė"}, "description": {}, "terms_conditions": {}, "card_design": {},
    "initial_bonus_points": 15, "points_per_visit": 2,
}  # fmt: skip


class BusyProgram:
    """One partner's, with an issuer and a relay at work while something comes from a topic."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, partner_id: int) -> None:
        self.settings, self.connection, self.partner_id = settings, connection, partner_id

    async def tell(self, topic: str, *some: ConsumerRecord, days: int = 0) -> None:
        """Decided and published when it returns, with all that follows; so many days from now."""
        messages = [(str(one.key.decode()), list(one.headers), one.value) for one in some]
        async with at_work(self.later(days)):
            await send(self.settings, messages, topic)
            await until_settled(self.settings)

    def created(self, who: str, **more: Any) -> ConsumerRecord:
        return told("customer.created", who, partner_id=self.partner_id, **more)

    def did(self, name: str, who: str) -> ConsumerRecord:
        return told("customer.event", who, partner_id=self.partner_id, name=name)

    def asked(self, what: str, who: str, **data: Any) -> ConsumerRecord:
        return told(f"points.{what}-requested", who, partner_id=self.partner_id, **data)

    async def redemption_rules(self) -> list[int]:
        """Ids of the rules as they were given, the default one's last."""
        return list(
            await self.connection.fetchval(
                """
                SELECT ARRAY(SELECT (rule ->> 'id')::bigint FROM jsonb_array_elements(redemption -> 'rules') AS rule)
                       || (redemption #>> '{defaultRule,id}')::bigint
                FROM (SELECT sections -> 'redemption' AS redemption FROM programs WHERE partner_id = $1) AS set
                """,
                self.partner_id,
            )
        )

    def ordered(self, order_id: str, total: str, who: str, **more: Any) -> ConsumerRecord:
        return ordered(order_id, total, who, partner_id=self.partner_id, **more)

    def refunded(self, order_id: str, total: str | None, who: str) -> ConsumerRecord:
        return refunded(order_id, total, who, partner_id=self.partner_id)

    async def code(self, who: str) -> str:
        """Of the customer's newest coupon of the campaign of visits."""
        return str(
            await self.connection.fetchval(
                "SELECT code_prefix || '-' || code FROM coupons JOIN customers USING (customer_no)"
                " WHERE customer_id = $1 AND terms ->> 'type' = 'percentage' ORDER BY id DESC LIMIT 1",
                who,
            )
        )

    async def codes(self, who: str) -> dict[str, str]:
        """Of the customer's coupons, by what they give."""
        rows = await self.connection.fetch(
            "SELECT terms ->> 'type' AS type, code, code_prefix FROM coupons JOIN customers USING (customer_no)"
            " WHERE customer_id = $1 AND terms IS NOT NULL ORDER BY id",
            who,
        )
        return {row["type"]: display(row["code"], row["code_prefix"]) for row in rows}

    async def use(self, who: str, type_: str, step: Step = Step.REDEEMED) -> None:
        """By shop staff, who know no order."""
        found = await self.connection.fetchrow(
            "SELECT c.id::text AS coupon_id, s.id AS shop_id FROM coupons c JOIN customers USING (customer_no)"
            " JOIN shops s ON s.partner_id = c.partner_id"
            " WHERE customer_id = $1 AND terms ->> 'type' = $2 ORDER BY c.id, s.id LIMIT 1",
            who,
            type_,
        )
        assert found is not None
        asked = StepRequest(**found, step=step, actor="test")
        async with self.connection.transaction():
            answer = await take_step(self.connection, asked, Manner.by(self.settings))
            assert answer is not None
            assert answer.refusal is None

    async def book(self, who: str, transaction_id: str, amount: int) -> None:
        """By hand."""
        asked = ByHand(
            partner_id=self.partner_id, customer_id=who, source="/test", event_id=transaction_id
        )
        async with self.connection.transaction():
            booked = await book_points(
                self.connection, asked, Deciding(Manner.by(self.settings)),
                transaction_id=transaction_id, amount=amount, reason=None,
            )  # fmt: skip
            assert isinstance(booked, Booked)

    async def redeem_and_undo(self, who: str, rule_id: int, points: int) -> None:
        """As a partner asks for it over HTTP."""
        deciding, source = Deciding(Manner.by(self.settings)), "/couponry/v4"
        asked, again = (
            ByHand(
                partner_id=self.partner_id, customer_id=who, source=source, event_id=f"{who} {n}"
            )
            for n in range(2)
        )
        async with self.connection.transaction():
            bought = await redeem(self.connection, asked, deciding, rule_id=rule_id, points=points)
            assert isinstance(bought, Redeemed)
        async with self.connection.transaction():
            undone = await undo(self.connection, again, deciding, coupon_id=bought.coupon.id)
            assert isinstance(undone, Undone)

    def later(self, days: int) -> Settings:
        """The same servers, so many days from now."""
        if not days:
            return self.settings
        seconds = timedelta(days=days).total_seconds()
        return self.settings.model_copy(
            update={"allow_test_clock": True, "clock_offset_seconds": seconds}
        )

    async def let_days_pass(self, days: int, line: Line) -> None:
        """What is due in this line by then is recorded."""
        assert (await settle_once(self.connection, self.later(days), line)).total


async def make_busy(settings: Settings) -> int:
    """All of it, decided and published; the partner's id."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    shop = BusyProgram(settings, connection, await a_partner(connection))
    await connection.execute("UPDATE partners SET sources = '{/shop}'")
    await a_program(connection, shop.partner_id, **PROGRAM)
    await _register(shop)
    await _buy(shop)
    await _owe(shop)
    await _use(shop)
    await _ask(shop)
    await _pick(shop)
    await _redeem(shop)
    fewer = [
        *PROGRAM["couponGroups"][:2],
        {"handle": "few", "maxTotal": 1, "maxPerCustomer": 1},
        {"handle": "pool"},
    ]
    await a_program(
        connection,
        shop.partner_id,
        settings={"currency": "EUR", "pointsName": "Stars"},
        couponGroups=fewer,
    )
    await shop.tell(ORDERS, shop.ordered("o-9", "20", "ona"), shop.refunded("o-9", None, "ona"))
    await shop.tell(ORDERS, shop.ordered("o-10", "110", "ona"))
    await _let_time_pass(shop)
    await connection.close()
    return shop.partner_id


async def _register(shop: BusyProgram) -> None:
    """Ona brings Jonas; Rasa holds a card, with its bonus; Laima was born some day of the days that come."""
    soon = (datetime.now(UTC) + timedelta(days=5)).date()
    born = soon.replace(year=1992, day=min(soon.day, 28)).isoformat()
    await shop.tell(CUSTOMERS, shop.created("ona", tags=["student"]))
    await shop.tell(
        CUSTOMERS, shop.created("jonas", referred_by="ona"), shop.created("laima", birthday=born)
    )
    await insert_card(shop.connection, shop.partner_id, read_card(_CARD))
    await shop.tell(CUSTOMERS, shop.created("rasa"), shop.did("visit", "rasa"))


async def _buy(shop: BusyProgram) -> None:
    """Orders, a code used twice and given back once, refunds by part and whole, also before the order."""
    visits = [shop.did("visit", "ona") for _ in range(3)]
    await shop.tell(CUSTOMERS, *visits, shop.did("look", "ona"))
    bread = [
        {"unit_price": "20", "quantity": 1, "collection_ids": ["bread"]},
        {"unit_price": "10", "quantity": 1},
    ]
    await shop.tell(
        ORDERS,
        shop.ordered("o-1", "60", "ona", coupon_codes=[await shop.code("ona")]),
        shop.ordered("o-2", "80.50", "ona", coupon_codes=[await shop.code("ona")]),
        shop.refunded("o-2", None, "ona"),
        shop.refunded("o-1", "10", "ona"),
        shop.ordered("j-1", "25", "jonas"),
        shop.refunded("j-2", "5", "jonas"),
        shop.ordered("j-2", "30", "jonas", lines=bread),
        shop.ordered("l-1", "12", "laima", currency="USD"),
    )


async def _owe(shop: BusyProgram) -> None:
    """Laima spends by hand what she was given; Vytas what an order earned that then is reversed, and pays by the next."""
    await shop.book("laima", "gift", 100)
    await shop.book("laima", "fee", -30)
    tiny = "10.000000000000000000000000000001"
    await shop.tell(ORDERS, shop.ordered("v-0", tiny, "vytas"), shop.ordered("v-1", "35", "vytas"))
    await shop.book("vytas", "spent", -30)
    await shop.tell(ORDERS, shop.refunded("v-1", None, "vytas"), shop.ordered("v-2", "15", "vytas"))


async def _use(shop: BusyProgram) -> None:
    """Eglė's order takes off what three coupons give, one of them is used up at a till, given back there, used again."""
    await shop.tell(CUSTOMERS, shop.did("visit", "eglė"), shop.did("visit", "eglė"))
    await shop.tell(ORDERS, shop.ordered("e-1", "45", "eglė"))
    codes = await shop.codes("eglė")
    used = [codes[type_] for type_ in ("percentage", "fixed", "free_shipping")]
    await shop.tell(
        ORDERS, shop.ordered("e-2", "30.25", "eglė", shipping="4.90", coupon_codes=[*used, used[0]])
    )
    for step in (Step.REDEEMED, Step.REINSTATED, Step.REDEEMED):
        await shop.use("eglė", "percentage", step)


async def _ask(shop: BusyProgram) -> None:
    """Of a group that gives two, and one to each: Eglė's is cancelled, and she may have another."""
    await shop.tell(CUSTOMERS, shop.did("ask", "eglė"))
    await shop.use("eglė", "custom", Step.CANCELLED)
    await shop.tell(CUSTOMERS, shop.did("ask", "eglė"))
    await shop.tell(CUSTOMERS, shop.did("ask", "vytas"))


async def _pick(shop: BusyProgram) -> None:
    """Of a group with a pool: Urtė gets a code that the partner brought and uses it, then one of ours; then it is empty."""
    ours = "0123456789ABCDE"
    ours += check_symbol(ours)
    async with shop.connection.transaction():
        await add_codes(shop.connection, shop.partner_id, "pool", [PICKED])
        await shop.connection.execute(
            "INSERT INTO pool_codes (partner_id, code, handle, own_code, own_prefix)"
            " VALUES ($1, $2, 'pool', $3, 'OURS')",
            shop.partner_id,
            display(ours, "OURS"),
            ours,
        )
        await open_pool(shop.connection, shop.partner_id, "pool")
    await shop.tell(CUSTOMERS, *(shop.did("pick", "urtė") for _ in range(3)))
    await shop.tell(ORDERS, shop.ordered("u-1", "20", "urtė", coupon_codes=[PICKED]))
    await shop.tell(ORDERS, shop.ordered("u-2", "20", "urtė", coupon_codes=[display(ours, "OURS")]))
    await shop.tell(ORDERS, shop.refunded("u-1", None, "urtė"))


async def _redeem(shop: BusyProgram) -> None:
    """Simona buys a coupon three times, undoes the second and cannot undo it again, gives some points for one, then all;
    Tomas asks his partner, who asks for one and undoes it."""
    await shop.book("simona", "for simona", 250)
    await shop.book("simona", "more for simona", 200)
    rules = await shop.redemption_rules()
    await shop.tell(
        CUSTOMERS, *(shop.asked("redeem", "simona", rule_id=rules[0]) for _ in range(3))
    )
    undone = await shop.connection.fetchval(
        "SELECT id::text FROM coupons WHERE source_kind = 'redemption' ORDER BY id OFFSET 1 LIMIT 1"
    )
    await shop.tell(CUSTOMERS, *(shop.asked("undo", "simona", coupon_id=undone) for _ in range(2)))
    default = shop.asked("redeem", "simona", rule_id=rules[-1], points=77)
    await shop.tell(CUSTOMERS, default, shop.asked("redeem", "simona", rule_id=rules[0]))
    for _ in range(2):
        await shop.tell(CUSTOMERS, shop.asked("redeem", "simona", rule_id=rules[1]))
    await shop.book("tomas", "for tomas", 60)
    await shop.redeem_and_undo("tomas", rules[-1], 50)


async def _let_time_pass(shop: BusyProgram) -> None:
    """A birthday, notices of points that will end, points that an order finds ended, points that nobody finds."""
    await shop.let_days_pass(10, birthdays_line())
    await shop.tell(FOLLOW_UPS, days=10)
    await shop.let_days_pass(25, points_line())
    later = datetime.now(UTC) + timedelta(days=31)
    await shop.tell(ORDERS, shop.ordered("r-1", "5", "rasa", at=later), days=31)
    await shop.let_days_pass(31, points_line())
    async with at_work(shop.settings):
        await until_settled(shop.settings)
