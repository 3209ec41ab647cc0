"""Of which coupons the partner's own system is to give the code, said at their issue."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.domain.coupons.codes import codes_from
from services.domain.coupons.coupon import CodeStatus
from services.domain.coupons.effects import ChangeCoupon, GrantCoupon
from services.domain.coupons.lifecycle import cancel
from services.domain.coupons.stock import PoolCode
from services.domain.terms import Group, Terms, TermsType
from tests.domain.program.test_groups import a_shop, held, visited

CLUB = Group(handle="club")
POOLS = {
    "none": None,
    "the partner's": PoolCode(text="Gratis 1"),
    "ours": PoolCode(text="ours", own=("POOL", codes_from(bytes(10))[0])),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("type_", TermsType)
def test_code_is_to_come_of_types_that_are_asked_for_and_of_no_pool(
    type_: TermsType, pool: str
) -> None:
    """Granted or redeemed: as the program says of the type, unless the coupon has a code of its group's pool already."""
    asked = frozenset(TermsType) - {TermsType.CUSTOM}
    code = POOLS[pool]
    for asks in (frozenset[TermsType](), asked - {type_}, asked):
        for redeems in (False, True):
            stock = {"codes": (code,)} if code is not None else {}
            shop = a_shop(CLUB, Terms(type=type_, value=Decimal(5), group="club"), **stock)
            shop.program = replace(shop.program, asks_for_codes=asks)
            shop.order("100")
            grant = shop.redeem(1) if redeems else visited(shop)
            assert isinstance(grant, GrantCoupon)
            assert grant.code_is_pending == (type_ in asks and code is None)
            expected = CodeStatus.of(is_pending=grant.code_is_pending)
            assert held(shop, grant).code_status == expected


def test_step_leaves_it_open_whether_the_code_is_to_come() -> None:
    """A cancelled coupon's code is still asked for, once somebody has begun to."""
    shop = a_shop(None, Terms(type=TermsType.FIXED, value=Decimal(5)))
    shop.program = replace(shop.program, asks_for_codes=frozenset({TermsType.FIXED}))
    grant = visited(shop)
    assert isinstance(grant, GrantCoupon)
    step = cancel(held(shop, grant), grant.issued_at, reason="why")
    assert isinstance(step, ChangeCoupon)
    assert step.coupon.code_status is CodeStatus.PENDING
