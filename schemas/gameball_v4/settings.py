"""What holds for the whole program: its currency, what points are called, and what progress between tiers is."""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.gameball_v4.reading import Part
from schemas.gameball_v4.values import Currency, Language, Name, one_of

TIER_METHODS = ("amount_spent", "points_earned", "friends_referred", "orders_completed", "score")


class ProgramSettings(Part):
    """`currency` null: money of any, at par."""

    computed: ClassVar = frozenset({"version"})
    currency: Currency | None = None
    points_name: Name = "Points"
    tier_method: Annotated[str, one_of(*TIER_METHODS)] = "amount_spent"
    default_language: Language = "en"
