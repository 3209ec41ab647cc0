"""What an order earns: points by the first rate that applies, times its lines' multipliers; and score.

Amounts that an order is worth come from `purchases`; what campaigns multiply is worked out by `campaigns`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.domain.exact import AS_IT_IS, ONE, ZERO, Quotient, quotient
from services.domain.origins import SourceKind
from services.domain.values import quickly_made


@dataclass(frozen=True, slots=True, kw_only=True)
class CashbackRule:
    """`wallet_factor` points per `threshold` of an amount that reaches it, pro rata; `rank_factor` score per unit."""

    threshold: Decimal
    wallet_factor: Decimal
    rank_factor: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRules:
    """What a loyalty card says of points. Rates are pairs: so many points for so much money; None where not set."""

    id: int
    is_active: bool = True
    auto_assign: bool = True
    points_enabled: bool = True
    shop_ids: frozenset[int] = frozenset()
    initial_bonus: int = 0
    expiration_days: int | None = None
    points_per_currency: Decimal | None = None
    currency_amount: Decimal | None = None
    rounds_up: bool = False
    least_per_purchase: int = 0
    most_per_purchase: int | None = None
    points_per_visit: int = 0
    redemption_enabled: bool = True
    points_per_currency_redemption: Decimal | None = None
    currency_amount_redemption: Decimal | None = None
    least_per_redemption: int = 0
    most_per_redemption: int | None = None

    def is_of(self, shop_id: int | None) -> bool:
        """Whether it gives points at this shop."""
        return (
            self.is_active
            and self.points_enabled
            and (not self.shop_ids or shop_id in self.shop_ids)
        )


@quickly_made(frozen=True, slots=True, kw_only=True)
class Rates:
    """What applies to one customer: the tier's rule, the card held, the default rule; each None where there is none."""

    of_tier: CashbackRule | None = None
    card: CardRules | None = None
    default: CashbackRule | None = None


@quickly_made(frozen=True, slots=True, kw_only=True)
class Earned:
    """`base_points` before multiplying, exact to six places; None where no rate applied. `by` names the rate."""

    points: int = 0
    score: int = 0
    base_points: Decimal | None = None
    by: SourceKind | None = None


NOTHING = Earned()


def earned_by(
    amount: Decimal, rates: Rates, *, shop_id: int | None, multiplier: Quotient = AS_IT_IS
) -> Earned:
    """What this amount, not below 0, earns at this shop."""
    scoring = rates.of_tier or rates.default
    score = (
        quotient((amount, scoring.rank_factor)).down()
        if scoring is not None and amount >= scoring.threshold
        else 0
    )
    card = rates.card
    if rates.of_tier is not None:
        return _by_rule(amount, rates.of_tier, multiplier, score, SourceKind.TIER)
    if card is not None and card.is_of(shop_id):
        points, money = card.points_per_currency, card.currency_amount
        if points and money:
            exactly = quotient((amount, points), (money,))
            return Earned(
                points=_within(card, amount, _times(exactly, multiplier)),
                score=score,
                base_points=exactly.cut(6),
                by=SourceKind.CARD,
            )
    if rates.default is not None:
        return _by_rule(amount, rates.default, multiplier, score, SourceKind.ORDER)
    return NOTHING


def _by_rule(
    amount: Decimal, rule: CashbackRule, multiplier: Quotient, score: int, by: SourceKind
) -> Earned:
    if amount < rule.threshold:
        return Earned(score=score, base_points=ZERO, by=by)
    exactly = quotient((amount, rule.wallet_factor), (rule.threshold,))
    return Earned(
        points=_times(exactly, multiplier).down(), score=score, base_points=exactly.cut(6), by=by
    )


def _times(one: Quotient, other: Quotient) -> Quotient:
    return Quotient(one.over * other.over, one.under * other.under)


def _within(card: CardRules, amount: Decimal, exactly: Quotient) -> int:
    """Rounded as the card says, then no fewer and no more than a purchase may bring."""
    points = exactly.up() if card.rounds_up else exactly.down()
    if amount <= 0:
        return points
    points = max(points, card.least_per_purchase)
    return points if card.most_per_purchase is None else min(points, card.most_per_purchase)


def worth(points: int, money: Decimal, places: int, *, per: Decimal = ONE) -> Decimal:
    """What points are worth at so much money per so many points, never rounded up."""
    return quotient((points, money), (per,)).cut(places)


def percent_of_spend(rule: CashbackRule, value_of_point: Decimal) -> Decimal:
    """The seed's rewardFactor: what a customer gets back, in percent of what is spent."""
    return quotient((rule.wallet_factor, value_of_point, 100), (rule.threshold, ONE)).half_up(4)
