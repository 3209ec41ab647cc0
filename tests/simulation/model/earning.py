"""What an order earns: one rate, times what campaigns make of its lines, rounded once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.simulation.model.customer import Turn, factor_of
from tests.simulation.model.exactly import down, number, up
from tests.simulation.model.rules import Document
from tests.simulation.model.triggers import event_of, names_line


def multiplier(
    turn: Turn, metadata: dict[str, Any], lines: list[Document]
) -> tuple[Fraction, set[int]]:
    """The factor of all lines together, and the campaigns that some line took its own of."""
    eligible = [
        campaign
        for campaign in turn.rules.campaigns
        if event_of(campaign) == "place_order" and factor_of(campaign) is not None
        and turn.refusal(campaign, metadata, lines) is None
    ]  # fmt: skip
    weights = [max(line["quantity"] * number(line["unit_price"]), Fraction(0)) for line in lines]
    if sum(weights) <= 0:
        found = _best([each for each in eligible if not any(each["applicableTo"].values())])
        return (_factor(found), {found["id"]} if found is not None else set())
    together, taken = Fraction(0), set()
    for line, weight in zip(lines, weights, strict=True):
        found = _best([each for each in eligible if names_line(each, line)])
        together += weight * _factor(found)
        if found is not None and weight:
            taken.add(found["id"])
    return together / sum(weights), taken


def _best(campaigns: list[Document]) -> Document | None:
    return min(campaigns, key=lambda each: (-_factor(each), each["id"]), default=None)


def _factor(campaign: Document | None) -> Fraction:
    return Fraction(1) if campaign is None else number(factor_of(campaign))


def earned(turn: Turn, amount: Fraction, shop_id: Any, times: Fraction) -> tuple[int, int]:
    """Points and score of an order that is worth so much."""
    rules = turn.rules
    of_tier, default = rules.rate_of(turn.tier), rules.default_rate
    ranking = of_tier or default
    score = (
        down(amount * ranking.rank) if ranking is not None and amount >= ranking.threshold else 0
    )
    card = rules.card(turn.customer.card)
    has_rate = card is not None and card.get("points_per_currency") and card.get("currency_amount")
    if of_tier is None and card is not None and has_rate and rules.gives_points(card, shop_id):
        rate = number(card["points_per_currency"]) / number(card["currency_amount"])
        points = (up if card.get("round_points_up") else down)(amount * rate * times)
        if amount > 0:
            points = max(points, card.get("min_points_per_purchase") or 0)
            most = card.get("max_points_per_purchase")
            points = points if most is None else min(points, most)
        return points, score
    rate_of = of_tier or default
    if rate_of is None or amount < rate_of.threshold:
        return 0, score
    return down(amount / rate_of.threshold * rate_of.wallet * times), score
