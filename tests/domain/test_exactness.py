"""Money never passes through a float: not in the code that handles it, and no digit of an amount is lost."""

from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.campaigns import Campaign
from services.domain.exact import minus, plus, quotient, times, total
from services.domain.triggers import PLACE_ORDER, Trigger
from tests.house.packages import tree_of
from tests.house.repository import ROOT, name_of, python_files
from tests.stand.small_shop import BASE, SmallShop, line, rule

OF_MONEY = (
    "services/domain/", "schemas/gameball_v4/", "services/decisions/account", "services/adapters/program_wire.py",
    *(f"services/adapters/postgres/{name}.py" for name in (
        "points", "purchases", "coupon_terms", "stored_program", "stored_terms", "stored_cards", "programs",
    )),
)  # fmt: skip
MODULES = [path for path in python_files() if name_of(path).startswith(OF_MONEY)]
EXCEPTIONS = {
    ("services/domain/events.py", "float"): "the score of a game is no money",
    ("schemas/gameball_v4/shown.py", "/"): "of decimals, in a context of 80 digits",
    ("services/domain/webhooks/schedule.py", "float"): "seconds between attempts are no money",
    ("services/domain/webhooks/schedule.py", "0.0"): "nor is no second",
    ("services/domain/webhooks/schedule.py", "0.1"): "nor is a share of them",
}


def floats_in(path: Path) -> set[str]:
    """What could make or take a float: the name, a literal, a division, a module of floats; dates apart."""
    found = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Name(id="float"):
                found.add("float")
            case ast.Constant(value=float()):
                found.add(repr(node.value))
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                found.add("/")
            case ast.Import(names=names) if {"math", "random", "statistics"} & {
                each.name for each in names
            }:
                found.add("a module of floats")
            case ast.ImportFrom(module="math" | "random" | "statistics"):
                found.add("a module of floats")
            case _:
                pass
    return found


def test_code_of_money_knows_no_float() -> None:
    """Neither its name nor a literal, nor the division that makes one of two whole numbers."""
    assert len(MODULES) > 40
    found = {(name_of(path), each) for path in MODULES for each in floats_in(path)}
    assert found == EXCEPTIONS.keys()


def test_float_would_be_found(tmp_path: Path) -> None:
    """What the test above looks for, it finds."""
    path = ROOT / "tests" / "domain" / "test_clocks.py"
    planted = tmp_path / path.name
    planted.write_text("import math\nhalf = 1 / 2\nthird: float = 0.3\n")
    assert floats_in(planted) == {"a module of floats", "/", "float", "0.3"}


MONEY = st.decimals(min_value=0, max_value=10**30, places=6)


@given(st.lists(MONEY, max_size=6), MONEY, st.integers(1, 10**18))
def test_arithmetic_keeps_every_digit(
    amounts: list[Decimal], other: Decimal, quantity: int
) -> None:
    """Sums, differences, products and quotients of what no event is too long to write."""
    assert Fraction(total(amounts)) == sum(map(Fraction, amounts))
    assert Fraction(plus(other, Decimal(1))) == Fraction(other) + 1
    assert Fraction(minus(Decimal(1), other)) == 1 - Fraction(other)
    assert Fraction(times(other, quantity)) == Fraction(other) * quantity
    exactly = Fraction(other) * quantity / 7
    assert quotient((other, quantity), (7,)).down() == exactly.numerator // exactly.denominator
    assert abs(Fraction(quotient((other, quantity), (7,)).half_up(2)) - exactly) <= Fraction(1, 200)
    assert 0 <= exactly - Fraction(quotient((other, quantity), (7,)).cut(6)) < Fraction(1, 10**6)


LONG = "12345678901234567890.123456789012345678"


@pytest.mark.parametrize("refund", [None, "1." + "0" * 17 + "1"])
def test_no_digit_of_an_order_is_lost(refund: str | None) -> None:
    """Spent is what was paid less what was refunded, of amounts longer than the usual context keeps."""
    shop = SmallShop()
    shop.order(LONG, order_id="long")
    shop.order("0.000000000000000001")
    if refund is not None:
        shop.refund(refund, "long")
    back = Fraction(refund or 0)
    assert Fraction(shop.wallet().spent) == Fraction(LONG) + Fraction(1, 10**18) - back


def test_multiplier_of_long_amounts_is_exact() -> None:
    """A line of as many digits as there can be, so many times: the last of them decides about a point."""
    campaign = Campaign(
        id=1, type="Reward Campaign", name="More", trigger=Trigger(event_name=PLACE_ORDER), max_achievement=-1,
        factor=Decimal("99.999999"), product_skus=frozenset({"a"}),
    )  # fmt: skip
    lines = (line("999999999999.999999", quantity=999_999_937, sku="a"), line("0.000001", sku="b"))
    shop = SmallShop(program=replace(BASE, campaigns=(campaign,), default_cashback=rule("1", "1")))
    points = shop.order("1000000000", lines=lines)
    weights = [Fraction("999999999999.999999") * 999_999_937, Fraction("0.000001")]
    factor = (weights[0] * Fraction("99.999999") + weights[1]) / sum(weights)
    assert points == 1000000000 * factor.numerator // factor.denominator
