"""Every field of a game, as the rules see it, makes a difference to some decision: none is carried along for nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.coupons.codes import codes_from
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.issuing import Draw
from services.domain.decide import decide
from services.domain.decision import Decision
from services.domain.events import Cause, GameCompleted, OrderPlaced
from services.domain.program import CustomerLimits, Game, GameType, Program
from tests.stand.customers import a_customer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODE, HELD_CODE = codes_from(bytes(range(20)))
CAUSE = Cause(source="/games", id="e-1", type="t")
DRAWS = [Draw(coupon_id="c-2", code=CODE)]
GAME = Game(
    id=7, partner_id=1, version=3, is_active=True, allow_multiple_active_coupons=True,
    coupon_validity_days=7, starts_at=None, ends_at=None, reward_description="A coffee",
)  # fmt: skip
STAMPS = replace(GAME, game_type=GameType.STAMPS)
HELD = Coupon(
    id="c-1", code=HELD_CODE, code_prefix="", game_id=7, status=CouponStatus.ACTIVE,
    issued_at=NOW - timedelta(hours=2), expires_at=None, holds_single_place=True,
)  # fmt: skip
CUSTOMER = a_customer(coupons={HELD.id: HELD}, issues={7: (HELD.issued_at,)})
WON = GameCompleted(
    cause=CAUSE, occurred_at=NOW, partner_id=1, game_id=7, customer_id="anna", won=True
)
BOUGHT = OrderPlaced(
    cause=CAUSE, occurred_at=NOW, partner_id=1, order_id="o-1", customer_id="anna",
    shop_id=None, coupon_codes=(), product_ids=frozenset({5}),
)  # fmt: skip

OTHERWISE: dict[str, tuple[Game, Any]] = {
    "id": (GAME, 8),
    "partner_id": (GAME, 2),
    "version": (GAME, 4),
    "is_active": (GAME, False),
    "allow_multiple_active_coupons": (GAME, False),
    "coupon_validity_days": (GAME, None),
    "starts_at": (GAME, NOW + timedelta(days=1)),
    "ends_at": (GAME, NOW),
    "product_ids": (STAMPS, (6,)),
    "game_type": (GAME, GameType.STAMPS),
    "code_prefix": (GAME, "SUMMER"),
    "stamps_required": (replace(STAMPS, stamps_required=1), 2),
    "customer_limits": (GAME, CustomerLimits(lifetime=1)),
    "total_limit": (GAME, 5),
    # It is the 2nd of March there: what was issued two hours ago was issued yesterday.
    "time_zone": (replace(GAME, customer_limits=CustomerLimits(per_day=1)), "Pacific/Auckland"),
}
"""A game, and another value of the field with which a completion or an order is decided otherwise."""

TOLD_ONLY = {"reward_description"}
"""What `coupon.issued` says of the coupon; the decision is the same."""


def decisions(game: Game) -> list[Decision]:
    """A completion and an order under these rules; nothing is left of a total limit."""
    program = Program(games={game.id: game})
    return [decide(event, program, CUSTOMER, {}, at=NOW, draws=DRAWS) for event in (WON, BOUGHT)]


def test_every_field_has_another_value() -> None:
    """A new field of the rules must be put into the table above."""
    assert {one.name for one in fields(Game)} == OTHERWISE.keys() | TOLD_ONLY


@pytest.mark.parametrize("field", OTHERWISE)
def test_field_makes_a_difference(field: str) -> None:
    """Some event is decided otherwise when it has another value."""
    game, value = OTHERWISE[field]
    assert getattr(game, field) != value
    assert decisions(replace(game, **{field: value})) != decisions(game)
