"""What coupons are worth at a till: every kind of terms, with a total and without, and as an order has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.coupons.coupon import Coupon
from services.domain.coupons.discounts import Discount, TermsReason, discount
from services.domain.coupons.till import TillAnswer, asks_currency, asks_tier, at_till
from services.domain.events import Cause, OrderPlaced
from services.domain.exact import minor_digits
from services.domain.terms import Terms, TermsType
from tests.stand.small_shop import a_coupon

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERCENT, FIXED, CUSTOM = TermsType.PERCENTAGE, TermsType.FIXED, TermsType.CUSTOM
SHIPPING, PRODUCT = TermsType.FREE_SHIPPING, TermsType.FREE_PRODUCT
CENTS = 2


def of(type_: TermsType = PERCENT, value: str | None = None, **terms: object) -> Coupon:
    """A coupon of these terms; amounts are written as texts."""
    for name in ("min_order_value", "capping"):
        if name in terms:
            terms[name] = Decimal(str(terms[name]))
    amount = None if value is None else Decimal(value)
    return a_coupon(Terms(type=type_, value=amount, **terms), "c-1", 1, NOW)  # type: ignore[arg-type]


A_GAMES = replace(of(CUSTOM), game_id=7, terms=None, source=None)

WORTH = [
    (of(PERCENT, "20", capping="50"), "400", "50"),
    (of(PERCENT, "20", capping="50"), "100", "20"),
    (of(PERCENT, "15"), "0.10", "0.02"),
    (of(PERCENT, "15"), "0.09", "0.01"),
    (of(PERCENT, "100"), "0.009", "0.009"),  # a cent would be more than there is
    (of(PERCENT, "10", capping="2.505"), "100", "2.51"),
    (of(FIXED, "30"), "20", "20"),
    (of(FIXED, "30"), "999999999999.999999", "30"),
    (of(FIXED, "30"), "0", "0"),
    (of(FIXED, "5", min_order_value="50"), "50", "5"),
    (of(CUSTOM), "20", "0"),
    (A_GAMES, "20", "0"),
    (of(SHIPPING), "20", None),
    (of(PRODUCT, product_ids=("7",)), "20", None),
    (of(PRODUCT), "20", None),
    (of(PERCENT, "10", collection_ids=("7",)), "20", None),
    (of(FIXED, "10", product_ids=("7",)), "20", None),
    (of(CUSTOM, product_ids=("7",)), "20", None),
]


@pytest.mark.parametrize(("coupon", "total", "worth"), WORTH)
def test_total_is_worth(coupon: Coupon, total: str, worth: str | None) -> None:
    """A number where the total says it, nothing where only lines would; without a total nothing at all."""
    expected = None if worth is None else Decimal(worth)
    assert at_till(coupon, Decimal(total), CENTS) == TillAnswer(discount=expected)
    assert at_till(coupon, None, CENTS) == TillAnswer(discount=None)


@pytest.mark.parametrize(
    ("places", "worth"), [(0, "185"), (2, "185.10"), (3, "185.100"), (4, "185.1000")]
)
def test_discount_has_the_places_it_is_asked_for(places: int, worth: str) -> None:
    """Those of the currency, half up."""
    answer = at_till(of(PERCENT, "15"), Decimal(1234), places)
    assert isinstance(answer, TillAnswer)
    assert str(answer.discount) == worth


REFUSED = [
    (of(PERCENT, "10", lifetime_of=2, platforms=("web",), min_order_value="50"), "1", TermsReason.TIER_TOO_LOW),
    (of(PERCENT, "10", lifetime_of=2), None, TermsReason.TIER_TOO_LOW),
    (of(PERCENT, "10", platforms=("web",), min_order_value="50"), "1", TermsReason.PLATFORM_NOT_ALLOWED),
    (of(PERCENT, "10", platforms=("web", "App")), None, TermsReason.PLATFORM_NOT_ALLOWED),
    (of(CUSTOM, platforms=("web",)), None, TermsReason.PLATFORM_NOT_ALLOWED),
    (of(FIXED, "5", min_order_value="50"), "49.999999", TermsReason.BELOW_MIN_ORDER_VALUE),
    (of(SHIPPING, min_order_value="50"), "49.99", TermsReason.BELOW_MIN_ORDER_VALUE),
    (of(PRODUCT, product_ids=("7",), min_order_value="50"), "0", TermsReason.BELOW_MIN_ORDER_VALUE),
    (of(CUSTOM, min_order_value="50"), "49.99", TermsReason.BELOW_MIN_ORDER_VALUE),
]  # fmt: skip


@pytest.mark.parametrize(("coupon", "total", "reason"), REFUSED)
def test_first_reason_against_it(coupon: Coupon, total: str | None, reason: TermsReason) -> None:
    """In the order in which an order names them; the tier and the platform are asked without a total too."""
    amount = None if total is None else Decimal(total)
    has_tier = coupon.terms is not None and coupon.terms.lifetime_of is None
    assert at_till(coupon, amount, CENTS, has_tier=has_tier) is reason


@pytest.mark.parametrize("platforms", [(), ("pos",), ("web", "POS"), ("Pos",)])
def test_till_is_the_platform_pos(platforms: tuple[str, ...]) -> None:
    """Without case; terms that name none serve everywhere."""
    assert at_till(of(PERCENT, "10", platforms=platforms), None, CENTS) == TillAnswer()


@pytest.mark.parametrize(
    ("coupon", "tier", "currency"),
    [
        (A_GAMES, False, False),
        (of(PERCENT, "10"), False, True),
        (of(FIXED, "10"), False, True),
        (of(FIXED, "10", currency="EUR"), False, False),
        (of(CUSTOM), False, False),
        (of(SHIPPING), False, False),
        (of(PERCENT, "10", collection_ids=("7",), lifetime_of=2), True, False),
    ],
)
def test_what_it_asks_for(coupon: Coupon, tier: bool, currency: bool) -> None:
    """Nobody's account is read for a coupon that serves in every tier, nor the program for one that names its currency."""
    assert asks_tier(coupon) is tier
    assert asks_currency(coupon, Decimal(1)) is currency
    assert not asks_currency(coupon, None)


AMOUNTS = st.decimals(0, 10**6, places=2) | st.decimals(0, 100, places=6)
TERMS = st.builds(
    Terms,
    type=st.sampled_from([PERCENT, FIXED, CUSTOM]),
    value=st.decimals("0.01", 100, places=2),
    currency=st.sampled_from([None, "EUR", "JPY", "KWD"]),
    min_order_value=st.none() | AMOUNTS,
    capping=st.none() | st.decimals("0.01", 500, places=3),
    platforms=st.sampled_from([(), ("web",), ("POS", "web")]),
)


@given(
    terms=TERMS,
    amount=AMOUNTS,
    program=st.sampled_from([None, "EUR", "JPY", "KWD"]),
    has_tier=st.booleans(),
)
def test_till_says_what_an_order_of_that_total_would(
    terms: Terms, amount: Decimal, program: str | None, has_tier: bool
) -> None:
    """Of an order without lines from the platform `pos`, in the same currency: the same discount, or the same reason."""
    currency = terms.currency or program
    order = OrderPlaced(
        cause=Cause(source="/till", id="1", type="order.placed"), occurred_at=NOW, partner_id=1, customer_id="anna",
        order_id="o", shop_id=1, coupon_codes=(), product_ids=frozenset(), currency=currency or "EUR", total=amount,
        channel="pos",
    )  # fmt: skip
    ordered = discount(terms, order, (), has_tier=has_tier)
    coupon = replace(of(CUSTOM), terms=terms)
    answer = at_till(coupon, amount, minor_digits(currency), has_tier=has_tier)
    if isinstance(ordered, Discount):
        assert answer == TillAnswer(discount=ordered.amount)
    else:
        assert answer is ordered
