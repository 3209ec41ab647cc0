"""Parts of programs that examples are made of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.domain.campaigns import Campaign
from services.domain.decision import CodeReason, Decision
from services.domain.points.earning import CardRules
from services.domain.profiles import Profile
from services.domain.state import NEW_CUSTOMER
from services.domain.terms import Terms, TermsType
from services.domain.tiers import Tier
from services.domain.triggers import PLACE_ORDER, Trigger
from tests.stand.small_shop import BASE, SmallShop


def discounts(decision: Decision) -> list[Decimal]:
    assert decision.program is not None
    return [each.amount for each in decision.program.discounts]


def reasons(decision: Decision) -> list[CodeReason | None]:
    return [each.reason for each in decision.codes]


def with_card(card: CardRules, **program: object) -> SmallShop:
    shop = SmallShop(program=replace(BASE, cards={card.id: card}, **program))  # type: ignore[arg-type]
    shop.states["anna"] = replace(NEW_CUSTOMER, profile=Profile(card_id=card.id))
    return shop


def percentage(value: str, **more: object) -> Terms:
    return Terms(type=TermsType.PERCENTAGE, value=Decimal(value), **more)  # type: ignore[arg-type]


def multiplier(id_: int, factor: str, **more: object) -> Campaign:
    return Campaign(
        id=id_, type="Reward Campaign", name="More", trigger=Trigger(event_name=PLACE_ORDER),
        factor=Decimal(factor), max_achievement=-1, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def tier(order: int, least: str, **more: object) -> Tier:
    return Tier(id=order, name=f"tier {order}", order=order, min_progress=Decimal(least), **more)  # type: ignore[arg-type]
