"""What a coupon of the program takes off an order, or why it does not: its terms held against the order's lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.domain.coupons.coupon import Coupon
from services.domain.events import OrderLine, OrderPlaced
from services.domain.exact import ZERO, Quotient, minor_digits, minus, quotient, total
from services.domain.origins import SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.terms import DiscountClass, Terms, TermsType
from services.domain.tiers import Tier
from services.domain.values import quickly_made


class TermsReason(StrEnum):
    """Why a coupon that is active cannot be used for an order, in the order in which reasons are named."""

    TIER_TOO_LOW = "tier_too_low"
    PLATFORM_NOT_ALLOWED = "platform_not_allowed"
    CURRENCY_MISMATCH = "currency_mismatch"
    NOT_APPLICABLE = "not_applicable"
    BELOW_MIN_ORDER_VALUE = "below_min_order_value"
    NOT_COMBINABLE = "not_combinable"


@quickly_made(frozen=True, slots=True, kw_only=True)
class Discount:
    """What a coupon took off an order, and off what; a coupon that takes nothing off has no class."""

    terms: Terms
    amount: Decimal


def discount(
    terms: Terms, order: OrderPlaced, given: Sequence[Discount], *, has_tier: bool
) -> Discount | TermsReason:
    """What it takes off this order beside what was given already. `has_tier`: no tier that it serves in is lost."""
    if reason := refusal(terms, order, given, has_tier=has_tier):
        return reason
    amount = _amount(terms, order)
    if is_off_goods(terms):
        left = minus(order.total, off_goods(given)) if given else order.total
        amount = max(ZERO, min(amount, left))
    return Discount(terms=terms, amount=amount)


def is_off_goods(terms: Terms) -> bool:
    """Whether they take anything off what is bought."""
    return terms.discount_class not in _NOT_OFF_GOODS


def off_goods(given: Iterable[Discount]) -> Decimal:
    """What these take off what is bought."""
    return total([each.amount for each in given if is_off_goods(each.terms)])


_NOT_OFF_GOODS: Final = (None, DiscountClass.SHIPPING)


def serves(coupon: Coupon, tier: Tier | None, program: PartnerProgram | None) -> bool:
    """Whether who is in this tier, where there are any, may use the coupon.

    A Lifetime Reward serves in its tier and above: as that is numbered now, or as it was when the coupon was issued,
    where it is there no more.
    """
    terms, source = coupon.terms, coupon.source
    if terms is None or terms.lifetime_of is None:
        return True
    least = terms.lifetime_of
    if program is not None and source is not None and source.kind is SourceKind.TIER:
        orders = (each.order for each in program.tiers if str(each.id) == source.id)
        least = next(orders, least)
    return (tier.order if tier is not None else 1) >= least


def refusal(
    terms: Terms, order: OrderPlaced, given: Sequence[Discount], *, has_tier: bool
) -> TermsReason | None:
    """The first reason against it."""
    if not has_tier:
        return TermsReason.TIER_TOO_LOW
    if order.channel is not None and not terms.is_for(order.channel):
        return TermsReason.PLATFORM_NOT_ALLOWED
    if terms.currency is not None and terms.currency != order.currency and holds_amount(terms):
        return TermsReason.CURRENCY_MISMATCH
    if not _applies(terms, order.lines):
        return TermsReason.NOT_APPLICABLE
    if terms.min_order_value is not None and order.total < terms.min_order_value:
        return TermsReason.BELOW_MIN_ORDER_VALUE
    if not all(terms.combines(each.terms) for each in given):
        return TermsReason.NOT_COMBINABLE
    return None


def holds_amount(terms: Terms) -> bool:
    """Whether anything in the terms is money, and so of one currency."""
    is_money = terms.type is TermsType.FIXED and terms.value is not None
    return is_money or terms.min_order_value is not None or terms.capping is not None


def matching(terms: Terms, lines: Sequence[OrderLine]) -> list[OrderLine]:
    """The lines that these terms name; all where they name none."""
    if not terms.is_restricted:
        return list(lines)
    products, collections = set(terms.product_ids), set(terms.collection_ids)
    return [
        line
        for line in lines
        if not products.isdisjoint(line.names) or not collections.isdisjoint(line.collection_ids)
    ]


def off_worth(terms: Terms, worth: Decimal, places: int) -> Decimal:
    """What a percentage or an amount comes to off so much, half up to so many places; other terms take nothing off."""
    value = terms.value or ZERO
    match terms.type:
        case TermsType.PERCENTAGE:
            return _at_most(quotient((worth, value), (100,)), terms.capping).half_up(places)
        case TermsType.FIXED:
            return quotient((min(value, worth),)).half_up(places)
        case TermsType.FREE_PRODUCT | TermsType.FREE_SHIPPING | TermsType.CUSTOM:
            return ZERO


def _applies(terms: Terms, lines: Sequence[OrderLine]) -> bool:
    if terms.type is TermsType.FREE_PRODUCT:
        return _free_product(terms, lines) is not None
    return not terms.is_restricted or bool(matching(terms, lines))


def _free_product(terms: Terms, lines: Sequence[OrderLine]) -> Decimal | None:
    """The lowest price above 0 of what may be free."""
    prices = (line.unit_price for line in matching(terms, lines) if line.unit_price > 0)
    return min(prices, default=None)


def _amount(terms: Terms, order: OrderPlaced) -> Decimal:
    """Half up to the order's minor unit, before what others have taken off."""
    places = minor_digits(order.currency)
    base = order.total
    if terms.is_restricted:
        worth = total(line.value for line in matching(terms, order.lines))
        base = min(max(worth, ZERO), order.total)
    match terms.type:
        case TermsType.PERCENTAGE | TermsType.FIXED | TermsType.CUSTOM:
            return off_worth(terms, base, places)
        case TermsType.FREE_PRODUCT:
            return quotient((_free_product(terms, order.lines) or ZERO,)).half_up(places)
        case TermsType.FREE_SHIPPING:
            return quotient((order.shipping,)).half_up(places)


def _at_most(amount: Quotient, capping: Decimal | None) -> Quotient:
    """Before it is rounded: a capping finer than the currency's minor unit is rounded too."""
    if capping is None:
        return amount
    most = quotient((capping,))
    return most if amount.over * most.under > most.over * amount.under else amount
