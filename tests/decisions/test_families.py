"""A family of a customer's state on its way from and to the database: loaded whole, written whole."""

from __future__ import annotations

import ast
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from services.decisions import recording
from services.decisions.gathering import _Gathered
from services.decisions.rows import Rows
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.stamps import Stamp, StampCard
from services.domain.state import NEW_CUSTOMER, CustomerState
from tests.house.packages import modules, tree_of

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
COUPON = Coupon(
    id="c-1", code="0000000000000000", code_prefix="", game_id=7, status=CouponStatus.ACTIVE,
    issued_at=NOW, expires_at=None, holds_single_place=True,
)  # fmt: skip
FOUND: dict[str, Any] = {
    "coupons": {"c-1": COUPON},
    "foreign_codes": {"1111111111111111"},
    "issues": {7: (NOW,)},
    "cards": {7: StampCard(card_no=2, stamps=1)},
    "stamps": {("o-1", 7): Stamp(card_no=2)},
    "reversed_orders": {"o-9"},
}
"""Something of everything that is gathered."""


def test_everything_gathered_reaches_the_state() -> None:
    """Each field of each family is loaded from somewhere: one that is not would be empty for every event."""
    assert {one.name for one in fields(_Gathered)} == FOUND.keys()
    state = _Gathered(**FOUND).state()
    for family in fields(CustomerState):
        loaded, empty = getattr(state, family.name), getattr(NEW_CUSTOMER, family.name)
        for one in fields(loaded):
            place = f"{family.name}.{one.name}"
            assert getattr(loaded, one.name) != getattr(empty, one.name), place


def test_everything_gathered_is_written() -> None:
    """Whatever rows there are, `write` looks at: a list that it does not know would be lost without a word."""
    tree = tree_of(modules("services")[recording.__name__])
    (write,) = (n for n in tree.body if isinstance(n, ast.AsyncFunctionDef) and n.name == "write")
    used = {
        node.attr
        for node in ast.walk(write)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "rows"
    }
    rows = {one.name for one in fields(Rows) if not one.name.startswith("_")} - {"writing"}
    assert used == rows | {"changes"}
