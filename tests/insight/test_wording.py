"""The words of `explain`: none missing, and every rule that makes a difference is told."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from services.domain.coupons.effects import DeclineReason, GrantRefusal, RedeemReason
from services.domain.decision import OrderReason, UndoReason
from services.insight.explain.wording import REASONS, rule_in_words
from services.insight.what_if.changes import RULE_FIELDS

PLAIN: dict[str, Any] = {
    "game_type": "stamps",
    "is_active": True,
    "allow_multiple_active_coupons": True,
    "coupon_validity_days": None,
    "start_date": None,
    "end_date": None,
    "product_ids": [],
    "stamps_required": 10,
    "customer_limit": None,
    "customer_limit_per_day": None,
    "customer_limit_per_week": None,
    "customer_limit_per_month": None,
    "total_limit": None,
}
OTHERWISE: dict[str, Any] = {
    "game_type": "wheel",
    "is_active": False,
    "allow_multiple_active_coupons": False,
    "coupon_validity_days": 7,
    "start_date": "2026-03-01",
    "end_date": "2026-03-31",
    "stamps_required": 5,
    "customer_limit": 3,
    "customer_limit_per_day": 3,
    "customer_limit_per_week": 3,
    "customer_limit_per_month": 3,
    "total_limit": 3,
}
NOT_TOLD = {"product_ids"}
"""A list of ids says nothing to a customer: of an order it is told which stamps it left."""


def test_every_reason_has_words() -> None:
    """Of declined completions, of orders and of points for coupons; none of a reason that there is no more."""
    told = chain(DeclineReason, OrderReason, RedeemReason, GrantRefusal, UndoReason)
    assert list(REASONS) == list(told)


@pytest.mark.parametrize("field", [name for name in RULE_FIELDS if name not in NOT_TOLD])
def test_every_rule_is_told(field: str) -> None:
    """A rule that differs is told in other words."""
    assert PLAIN.keys() == set(RULE_FIELDS)
    assert rule_in_words({**PLAIN, field: OTHERWISE[field]}) != rule_in_words(PLAIN)
