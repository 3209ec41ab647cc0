"""The fold over a batch: what one customer's event has done is seen by those of others that it concerns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from services.domain.arrival import Incoming, LockedCustomer
from services.domain.coupons.issuing import Draw
from services.domain.events import Cause, OrderPlaced, Position
from services.domain.folding import decide_batch
from services.domain.program import Game, GameType, Program
from services.domain.stamps import AddStamp

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARD = Game(
    id=7, partner_id=1, version=1, is_active=True, allow_multiple_active_coupons=True,
    coupon_validity_days=7, starts_at=None, ends_at=None, reward_description="A coffee",
    game_type=GameType.STAMPS, stamps_required=3,
)  # fmt: skip
OTHER_CARD = replace(CARD, id=8)
DRAWS = [Draw(coupon_id=f"new-{number}", code="0" * 16) for number in range(2)]


def placed(number: int, customer_id: str, order_id: str) -> Incoming:
    """An order, told by an event of its own."""
    event = OrderPlaced(
        cause=Cause(source="/shop", id=f"p-{number}", type="order.placed"), occurred_at=NOW, partner_id=1,
        order_id=order_id, customer_id=customer_id, shop_id=1, coupon_codes=(), product_ids=frozenset(),
    )  # fmt: skip
    position = Position(topic="orders", partition=0, offset=number)
    return Incoming(event=event, event_key=f"k-{number}", position=position, timestamp_ms=number)


def test_order_told_by_several_customers_is_stamped_for_the_first_in_one_fold() -> None:
    """In every game, once each; the others' events change nothing, and their own orders are their own."""
    told = [("o-1", "anna"), ("o-1", "berta"), ("o-2", "berta"), ("o-2", "anna"), ("o-1", "carl")]
    arrivals = [placed(number, who, order) for number, (order, who) in enumerate(told)]
    customers = {
        incoming.customer: LockedCustomer(number=number, at=NOW)
        for number, incoming in enumerate(arrivals)
    }
    program = Program(games={game.id: game for game in (CARD, OTHER_CARD)})
    verdicts, _ = decide_batch(arrivals, program, {}, customers, {}, [DRAWS] * len(arrivals))

    stamped = [
        [(effect.game_id, effect.stamps) for effect in verdict.decision.effects if isinstance(effect, AddStamp)]
        for verdict in verdicts
    ]  # fmt: skip
    assert stamped == [[(7, 1), (8, 1)], [], [(7, 1), (8, 1)], [], []]
