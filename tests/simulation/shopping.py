"""What customers do, drawn by chance: registrations, orders with lines and codes, refunds, visits, games."""

from __future__ import annotations

import random
from typing import Any

from tests.simulation.programs import EVENTS, TAGS

CUSTOMERS = ("anna", "bert", "carl")
ORDERS = tuple(f"o-{number}" for number in range(9))
SINGLE, MULTIPLE, CARD, CAPPED, TOTAL = 1, 2, 3, 4, 5
GAMES = (SINGLE, MULTIPLE, CARD, CAPPED, TOTAL)
TOTALS = ("0.3", "5", "10.50", "25.99", "49.99", "50", "99.99", "123.456", "1234", "0")
LINES = (
    {"sku": "bread"}, {"sku": "cheese", "collection_ids": [7]}, {"product_id": 5}, {"product_id": 6, "collection_ids": ["new", 7]},
)  # fmt: skip
PRICES = ("30", "20", "0.99", "-5", "3.333")


class Shopping:
    """Data of events, by type."""

    def __init__(self, chance: random.Random, partner_id: int) -> None:
        self.chance, self.partner_id = chance, partner_id

    def event(self) -> tuple[str, dict[str, Any]]:
        """Something that happens; who knows which rules and coupons there are adds those that it is about."""
        base = {"partner_id": self.partner_id, "customer_id": self.chance.choice(CUSTOMERS)}
        roll = self.chance.random()
        if roll < 0.06:
            return "points.redeem-requested", base
        if roll < 0.09:
            return "points.undo-requested", base
        if roll < 0.18:
            result = "won" if self.chance.random() < 0.9 else "lost"
            game = {"game_id": self.chance.choice((*GAMES, 99)), "result": result}
            return "game.completed", base | game | self.some(score=(10, 50, 99.5))
        if roll < 0.5:
            return "order.placed", self.whose(base) | self.order()
        if roll < 0.73:
            return self.reversal(self.whose(base))
        if roll < 0.88:
            return self.description(base)
        name = self.chance.choice(EVENTS)
        metadata = self.some(stars=(1, 3, "four", [1, 4]), shop_id=(1, 2, "1"), plan=("gold", True))
        return "customer.event", base | {"name": name, "metadata": metadata}

    def whose(self, base: dict[str, Any]) -> dict[str, Any]:
        """An order: mostly of who has it, now and then of anybody."""
        number = self.chance.randrange(len(ORDERS))
        owner = (
            {"customer_id": CUSTOMERS[number % len(CUSTOMERS)]}
            if self.chance.random() < 0.85
            else {}
        )
        return base | owner | {"order_id": ORDERS[number]}

    def some(self, **choices: tuple[Any, ...]) -> dict[str, Any]:
        """Each of them, or not."""
        return {
            name: self.chance.choice(each)
            for name, each in choices.items()
            if self.chance.random() < 0.6
        }

    def order(self) -> dict[str, Any]:
        lines = [
            {
                **self.chance.choice(LINES),
                "quantity": self.chance.randint(1, 3),
                "unit_price": self.chance.choice(PRICES),
            }
            for _ in range(self.chance.randint(0, 3))
        ]
        total = self.chance.choice(TOTALS)
        found = {
            "total": total, "lines": lines,
            "currency": "EUR" if self.chance.random() < 0.85 else self.chance.choice(("USD", "JPY")),
        }  # fmt: skip
        paid = ("0", "4.75", "40")
        return (
            found
            | self.some(shop_id=(1, 2))
            | self.some(channel=("web", "pos"), shipping=("4.99",))
            | ({"paid_total": self.chance.choice(paid)} if self.chance.random() < 0.2 else {})
        )

    def reversal(self, order: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Of the whole, or of a part."""
        roll = self.chance.random()
        if roll < 0.4:
            return "order.cancelled", order
        if roll < 0.5:
            return "order.refunded", order
        return "order.refunded", order | {
            "refunded_total": self.chance.choice(("0", "3.33", "6.66", "-20", "49.99", "5000"))
        }

    def description(self, base: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        tags = [tag for tag in TAGS if self.chance.random() < 0.4]
        told = base | self.some(
            tags=(tags,), birthday=("1990-02-28", "2000-02-29", None), locale=("lt", "en"), attributes=({"plan": "gold"}, {}),
        )  # fmt: skip
        if self.chance.random() < 0.3:
            return "customer.updated", told
        return "customer.created", told | self.some(referred_by=(*CUSTOMERS, *CUSTOMERS, "nobody"))
