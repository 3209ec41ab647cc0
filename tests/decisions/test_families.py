"""A family of a customer's state on its way from and to the database: loaded whole, written whole."""

from __future__ import annotations

import ast
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from services.decisions import recording
from services.decisions.accounts import Accounts
from services.decisions.gathering import StoredAccount, _Gathered
from services.decisions.rows import Rows
from services.domain.campaigns import CampaignProgress
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.points.wallet import Take, Wallet
from services.domain.profiles import Profile
from services.domain.purchases import Purchases
from services.domain.stamps import Stamp, StampCard
from services.domain.state import NEW_CUSTOMER, CustomerState
from services.domain.tiers import Standing
from tests.domain.test_state import SAMPLES
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
    "used_by": {"o-1": ("c-1",)},
    "paid": {"c-1": (Take(4, 2),)},
    "foreign_external_codes": {"SHOP-2"},
    "of_groups": {"club": 1},
    "account": StoredAccount(
        profile=Profile(**SAMPLES[Profile]),
        bare_wallet=Wallet(**SAMPLES[Wallet] | {"lots": {}}),
        lots=SAMPLES[Wallet]["lots"],
        standing=Standing(**SAMPLES[Standing]),
        campaigns=CampaignProgress(**SAMPLES[CampaignProgress]),
        purchases=SAMPLES[Purchases]["by_id"],
        refunded_before=SAMPLES[Purchases]["refunded_before"],
        used_for=SAMPLES[Purchases]["used_for"],
        registered={"bert"},
    ),
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


def used_by(function: str, of: str) -> set[str]:
    """Which attributes of an argument a function of `recording` looks at."""
    tree = tree_of(modules("services")[recording.__name__])
    (found,) = (n for n in tree.body if isinstance(n, ast.AsyncFunctionDef) and n.name == function)
    return {
        node.attr
        for node in ast.walk(found)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == of
    }


def test_everything_gathered_is_written() -> None:
    """Whatever rows there are, `write` looks at: a list that it does not know would be lost without a word."""
    rows = {one.name for one in fields(Rows) if not one.name.startswith("_")} - {"writing"}
    assert used_by("write", "rows") == rows | {"changes", "changes_of_new"}
    settings = {"points_leads_hours"}
    kept = {one.name.removeprefix("_") for one in fields(Accounts)} - settings
    assert used_by("_write_accounts", "accounts") == kept
