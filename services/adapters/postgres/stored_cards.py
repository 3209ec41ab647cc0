"""Points settings of a partner's cards, as a program's row has them, as the rules know them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.adapters.exact_json import decoded
from services.domain.points.earning import CardRules


def cards_from(stored: str) -> dict[int, CardRules]:
    """By id, from JSON whose numbers keep their digits."""
    cards = decoded(stored)
    return {card["id"]: _card(card) for card in cards}


def _card(stored: Mapping[str, Any]) -> CardRules:
    settings: Mapping[str, Any] = stored["settings"]

    def rate(name: str) -> Decimal | None:
        value = settings.get(name)
        return None if value is None else Decimal(value)

    return CardRules(
        id=stored["id"],
        is_active=stored["is_active"],
        auto_assign=settings.get("auto_assign") is not False,
        points_enabled=settings.get("points_enabled") is not False,
        shop_ids=frozenset(stored["shop_ids"]),
        initial_bonus=settings.get("initial_bonus_points") or 0,
        expiration_days=settings.get("points_expiration_days") or None,
        points_per_currency=rate("points_per_currency"),
        currency_amount=rate("currency_amount"),
        rounds_up=settings.get("round_points_up") is True,
        least_per_purchase=settings.get("min_points_per_purchase") or 0,
        most_per_purchase=settings.get("max_points_per_purchase"),
        points_per_visit=settings.get("points_per_visit") or 0,
        redemption_enabled=settings.get("points_redemption_enabled") is not False,
        points_per_currency_redemption=rate("points_per_currency_redemption"),
        currency_amount_redemption=rate("currency_amount_redemption"),
        least_per_redemption=settings.get("min_points_for_redemption") or 0,
        most_per_redemption=settings.get("max_points_per_redemption"),
    )
