"""`explain` and `customers show` of points that were redeemed and given back: by event and over HTTP, in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.insight.redeeming import PROGRAM, Act, Redeeming, at_once
from tests.stand.commands import Command

STORY = at_once(
    Act(name="order", kind="order.placed", who="anna", order="o-1", amount="100"),
    Act(name="one", kind="points.redeem-requested", who="anna", rule=0),
    Act(name="two", kind="http.redeem", who="anna", rule=1),
    Act(name="back", kind="points.undo-requested", who="anna", coupon="one"),
    Act(name="back again", kind="points.undo-requested", who="anna", coupon="one"),
    Act(name="two back", kind="http.undo", who="anna", coupon="two"),
    Act(name="poor", kind="points.redeem-requested", who="bert", rule=-1, points=1500),
)


@pytest.fixture
async def shop(redeeming: Redeeming) -> Redeeming:
    """Everything of the story has happened, and nothing was published yet."""
    await redeeming.set(**PROGRAM)
    await redeeming.live(STORY)
    return redeeming


class Explaining:
    """What is said of an event of the story, in words or as JSON."""

    def __init__(self, couponry: Command, shop: Redeeming) -> None:
        self._couponry = couponry
        self._shop = shop

    async def words(self, name: str) -> str:
        return " ".join((await self._couponry("explain", self._id(name))).out.split())

    async def json(self, name: str) -> Any:
        return (await self._couponry("explain", self._id(name), "--json")).json()

    def _id(self, name: str) -> str:
        return f"{name}@{self._shop.partner_id}"


@pytest.fixture
def explaining(couponry: Command, shop: Redeeming) -> Explaining:
    return Explaining(couponry, shop)


async def test_request_is_told_with_its_coupon_and_what_became_of_it(
    explaining: Explaining, shop: Redeeming
) -> None:
    """By which rule, what it cost, what the coupon is worth, that it was given back, and what subscribers hear."""
    rule, code = shop.rules[0], (await shop.coupons())["one"][1]
    said = await explaining.words("one")
    for part in (
        f": by redemption rule {rule} ",
        "decided issued; by version 1 of the program",
        f"spent -20 points (redemption {rule}); balance 80",
        f"coupon …{code[-4:]}",
        f": 10 % off, by redemption {rule}, valid without end",
        "points.spent: waits in the outbox to be published in program-events",
        f"cancelled coupon …{code[-4:]} by",
        "redemption_undone",
    ):
        assert part in said, (part, said)
    answer = await explaining.json("one")
    assert (answer["outcome"], answer["coupon_id"]) == (
        "issued",
        str((await shop.coupons())["one"][0]),
    )
    assert answer["program"]["entries"] == [
        {
            "measure": "points", "kind": "spent", "amount": 20, "balance": 80,
            "source": {"kind": "redemption", "id": str(rule)},
        }
    ]  # fmt: skip


async def test_request_over_http_is_told_like_an_event(
    explaining: Explaining, shop: Redeeming, couponry: Command
) -> None:
    """The same words, but that it was read from no topic; found by the coupon's code, too."""
    rule, (_, code) = shop.rules[1], (await shop.coupons())["two"]
    said = " ".join((await couponry("explain", "--coupon", code)).out.split())
    assert said == await explaining.words("two")
    assert f"spent -30 points (redemption {rule}); balance 50" in said
    assert f": 5 EUR off, 2 times, by redemption {rule}, valid until" in said
    assert "arrived" not in said and "read from" not in said
    back = await explaining.words("two back")
    assert f"restored +30 points (redemption {rule}); balance 100" in back
    assert f"cancelled coupon …{code[-4:]}" in back
    assert "points.restored: waits in the outbox to be published in program-events" in back


async def test_undoing_is_told_with_what_it_gave_back(
    explaining: Explaining, shop: Redeeming
) -> None:
    """Which coupon, the points, the balance; a second time why nothing came of it."""
    coupon_id, code = (await shop.coupons())["one"]
    said = await explaining.words("back")
    for part in (
        f": of coupon {coupon_id}",
        "decided recorded; by version 1 of the program",
        f"restored +20 points (redemption {shop.rules[0]}); balance 70",
        f"cancelled coupon …{code[-4:]} by",
        "coupon.cancelled of",
    ):
        assert part in said, (part, said)
    again = await explaining.words("back again")
    assert "recorded: the coupon was used, reserved, cancelled or over (coupon_not_active)" in again
    assert "restored" not in again


async def test_refused_request_says_why_and_that_it_is_told(
    explaining: Explaining, shop: Redeeming
) -> None:
    """With the rule and the points that were asked for; while the answer waits, and once it is out."""
    said = await explaining.words("poor")
    assert f": by redemption rule {shop.rules[-1]}, 1,500 points" in said
    assert "declined: the customer had fewer points than that (insufficient_points)" in said
    assert "reward.declined: waits in the outbox to be published in program-events" in said
    await shop.shop.database.execute("DELETE FROM outbox")
    assert "reward.declined in program-events" in await explaining.words("poor")


async def test_refusal_of_a_partner_without_a_program_is_told(
    redeeming: Redeeming, couponry: Command
) -> None:
    """At version 0 subscribers hear why, too."""
    redeeming.rules = [1]
    await redeeming.live(at_once(Act(name="none", kind="points.redeem-requested", who="anna")))
    explaining = Explaining(couponry, redeeming)
    assert "reward.declined: waits in the outbox" in await explaining.words("none")
    await redeeming.shop.database.execute("DELETE FROM outbox")
    said = await explaining.words("none")
    assert "rule_inactive" in said
    assert "reward.declined in program-events" in said


async def test_customer_is_told_all_of_it(shop: Redeeming, couponry: Command) -> None:
    """One timeline in which each step of a coupon stands once, and a statement with the coupons and the entries."""
    of = ("--partner-id", shop.partner_id)
    said = (await couponry("explain", "--customer", "anna", *of)).out
    undone = [line for line in said.splitlines() if "redemption_undone" in line]
    assert len(undone) == 2, said
    statement = (await couponry("customers", "show", "anna", *of)).out
    shown = [" ".join(line.split()) for line in statement.splitlines()]
    for number in (0, 1):
        rule = shop.rules[number]
        assert any(f"cancelled redemption {rule}" in line for line in shown), statement
        for kind, sign in (("spent", "-"), ("restored", "+")):
            points = f"{sign}{(20, 30)[number]}"
            assert any(f"{kind} {points} " in line and f"redemption {rule}" in line for line in shown), statement  # fmt: skip
    assert any(line.startswith("balance 100 ") for line in shown), statement
