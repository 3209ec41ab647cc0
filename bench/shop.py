"""A shop with a program, and its orders: cashback, three tiers, ten campaigns.

Of the campaigns six wait for orders: the first one, large ones, every fifth, those of the app, those of many pieces for
who has a higher tier, and a multiplier on one collection; the others wait for a registration, a birthday, a visit and a
completed game. An order has two lines; a customer places few of them, as customers of the other benchmarks play a few
games (see `workload`). On average an order achieves one and a half campaigns, which is a lot. A calmer shop differs in
its campaigns alone: ten as well, of which four wait for orders, and an order achieves 0.6 of them. A third shop gives
who registers a coupon, and points for what is paid. A fourth gives points, of which it takes some for a coupon.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any, Final

import asyncpg

from bench.lifecycle import BATCH, LANES
from bench.workload import CUSTOMERS_PER_EVENT
from schemas.gameball_v4.files import loaded
from services.decisions.program_changes import change

SHOP_ID: Final = 2
CALM_SHOP_ID: Final = 3
CODES_SHOP_ID: Final = 4
SPENDING_SHOP_ID: Final = 5
"""Of the partners that have the programs."""
SHARE_OF_APP: Final = 0.2

ADD_PARTNER = """
    INSERT INTO partners (id, name, time_zone, store_id, api_key_hash, secret_key_hash)
    VALUES ($1, $2, 'UTC', $2, convert_to($2, 'UTF8'), convert_to($2, 'UTF8'))
"""


def _campaign(name: str, event: str, reward: dict[str, Any], **more: Any) -> dict[str, Any]:
    trigger = {"eventName": event, **more.pop("trigger", {})}
    often = {"isRepeatable": True, "maxAchievement": -1}
    return (
        {"name": name, "type": "EventBased", "trigger": trigger, "rewards": [reward]} | often | more
    )


def _when(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"eventMetaData": [{"name": name, "operator": operator, "value": value}]}


_TEN: Final = {"walletReward": 10}
_COUPON: Final = {"couponReward": {"couponType": "percentage_discount", "discountValue": 10}}
_ONCE: Final = {"isRepeatable": False, "maxAchievement": 1}

_OF_BOTH: Final = [
    _campaign("Every fifth", "place_order", _COUPON, trigger={"count": 5}),
    _campaign(
        "Many pieces", "place_order", _TEN,
        trigger=_when("number_of_products", "greater_than", "4"), availability={"minTier": 2},
    ),
    _campaign(
        "Twice on bread", "place_order", {"walletRewardFactor": 2},
        type="Reward Campaign", applicableTo={"collections": ["3"]},
    ),
    _campaign("Welcome", "sign_up", _TEN, **_ONCE),
    _campaign("Born", "birthday", _TEN, type="Birthday"),
    _campaign("Visits", "visit", _TEN),
    _campaign("Players", "game_completed", _TEN),
]  # fmt: skip

PROGRAM: Final[dict[str, Any]] = {
    "settings": {"currency": "EUR"},
    "redemption": {"pointsExpiryPeriod": 365},
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
        },
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1},
        {
            "name": "Silver", "minProgress": 100, "order": 2,
            "benefits": [{"type": "Entry Reward", "walletReward": 50}],
        },
        {
            "name": "Gold", "minProgress": 500, "order": 3,
            "benefits": [{"type": "Entry Reward", "walletReward": 100}],
        },
    ],
    "campaigns": [
        _campaign("First order", "place_order", {"walletReward": 50}, **_ONCE),
        _campaign("Large orders", "place_order", _TEN, trigger=_when("total", "greater_than_or_equals", "60")),
        _campaign("In the app", "place_order", _TEN, trigger=_when("channel", "equals", "app")),
        *_OF_BOTH,
    ],
}  # fmt: skip

CALM_PROGRAM: Final[dict[str, Any]] = PROGRAM | {
    "campaigns": [
        _campaign("Large orders", "place_order", _TEN, trigger=_when("total", "greater_than_or_equals", "100")),
        _campaign("Reviews", "review", _TEN),
        _campaign("Winners", "game_completed", _TEN, trigger=_when("result", "equals", "won")),
        *_OF_BOTH,
    ],
}  # fmt: skip

CODES_PROGRAM: Final[dict[str, Any]] = {
    "settings": PROGRAM["settings"],
    "cashback": PROGRAM["cashback"],
    "campaigns": [_campaign("Welcome", "sign_up", _COUPON, **_ONCE)],
}

RULE_ID: Final = 1_000
"""Of the fourth shop: a hundred points for a tenth off."""
SPENDING_PROGRAM: Final[dict[str, Any]] = {
    "settings": PROGRAM["settings"],
    "redemption": {
        "pointsExpiryPeriod": 365,
        "rules": [
            {
                "id": RULE_ID, "ruleType": "percentage_discount_settings", "pointsToRedeem": 100,
                "coupon": _COUPON["couponReward"],
            },
        ],
    },
    "campaigns": [
        _campaign("Welcome", "sign_up", {"walletReward": 1_000_000}, **_ONCE),
        _campaign("Visits", "visit", _TEN),
    ],
}  # fmt: skip


async def add_shop(
    owner: asyncpg.Connection, partner_id: int = SHOP_ID, program: Any = PROGRAM
) -> None:
    """The partner, and its program."""
    await owner.execute(ADD_PARTNER, partner_id, f"shop-{partner_id}")
    async with owner.transaction():
        await change(
            owner, partner_id, actor="benchmark", edit=lambda now: loaded(now, program).sections
        )


def orders(count: int, *, seed: int, partner_id: int = SHOP_ID) -> list[dict[str, Any]]:
    """Data of so many orders; those of another seed are other orders of the same customers."""
    rng = Random(f"orders{seed}")
    customers = int(count * CUSTOMERS_PER_EVENT)
    return [
        _order(
            rng, f"{partner_id}-{seed}-{number}", customer_of(rng, number, customers), partner_id
        )
        for number in range(count)
    ]


def customer_of(rng: Random, number: int, customers: int) -> str:
    """One of so many; of record `number`, a customer of its lane's alone, as partitions have it."""
    lane = number // BATCH % LANES
    return customer_named(rng.randrange(max(customers // LANES, 1)) * LANES + lane)


def customer_named(number: int) -> str:
    """The id of customer `number`."""
    return f"c-{number:012d}"


def _order(rng: Random, order_id: str, customer_id: str, partner_id: int) -> dict[str, Any]:
    total = Decimal(0)
    lines = []
    for _ in range(2):
        quantity, price = rng.randrange(1, 4), Decimal(rng.randrange(100, 3_000)) / 100
        total += quantity * price
        lines.append(
            {
                "product_id": rng.randrange(1, 50),
                "sku": f"SKU-{rng.randrange(50)}",
                "collection_ids": [rng.randrange(1, 6)],
                "quantity": quantity,
                "unit_price": f"{price:.2f}",
            }
        )
    return {
        "partner_id": partner_id,
        "order_id": order_id,
        "customer_id": customer_id,
        "shop_id": None,
        "currency": "EUR",
        "total": f"{total:.2f}",
        "paid_total": f"{total:.2f}",
        "channel": "app" if rng.random() < SHARE_OF_APP else "web",
        "coupon_codes": [],
        "lines": lines,
    }
