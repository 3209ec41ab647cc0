"""What operators are shown of a coupon is the code that its customer shows; by it a coupon is found."""

from __future__ import annotations

import asyncpg
import pytest

from services.domain.coupons.codes import display
from tests.stand.commands import Command
from tests.stand.grouped_shop import GroupedShop


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> GroupedShop:
    """Anna's coupon has a code that the partner brought, bert's a shorter one."""
    shop = GroupedShop(connection=database, partner_id=partner_id)
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis 12345", "XYZ")
    await shop.decide([shop.visit("club"), shop.visit("club", "bert")])
    return shop


async def test_coupon_is_explained_by_the_code_that_its_partner_brought(
    shop: GroupedShop, couponry: Command
) -> None:
    """As it is written, or by ours; the answer tells it from others and gives neither away."""
    (mine, _) = await shop.in_place("club")
    ours = display(mine["code"], "CLUB")
    by_ours = (await couponry("explain", "--coupon", ours)).out
    assert (await couponry("explain", "--coupon", "Gratis 12345")).out == by_ours
    assert "coupon …2345" in by_ours
    assert "Gratis" not in by_ours
    assert mine["code"][-4:] not in by_ours
    assert "…Z" in (await couponry("explain", "--coupon", "XYZ")).out
    assert (await couponry("explain", "--coupon", "gratis 12345")).code == 1


async def test_coupons_are_listed_under_what_is_shown(shop: GroupedShop, couponry: Command) -> None:
    """In the list of all, and by its end in a customer's statement."""
    listed = (await couponry("coupons", "list", "--json")).json()
    assert {each["customer_id"]: each["code"] for each in listed} == {"anna": "Gratis 12345", "bert": "XYZ"}  # fmt: skip
    ends = []
    for who in ("anna", "bert"):
        options = ("--partner-id", shop.partner_id, who, "--json")
        statement = (await couponry("customers", "show", *options)).json()
        ends += [each["code_ends"] for each in statement["coupons"]]
    assert ends == ["2345", "Z"]
