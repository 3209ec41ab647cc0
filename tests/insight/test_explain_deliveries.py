"""`explain` of coupons that a partner's own system was told of: attempts, what came of them, what is still to come."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.runtime.settings import Settings
from tests.stand.commands import Command, CommandOn
from tests.stand.copies import Copies, database_name
from tests.stand.database import connected


@pytest.fixture
async def again(copies: Copies, told: Settings) -> AsyncIterator[Settings]:
    """A copy of its database, with the same topics."""
    async with copies.copy(database_name(told)) as settings:
        yield settings.model_copy(update={"topic_prefix": told.topic_prefix})


async def of_bert(settings: Settings, couponry: Command) -> list[tuple[str, str]]:
    """(word, sentence) of whatever is said of his deliveries, without times and names."""
    async with connected(settings, role=None) as owner:
        ((coupon_id, code),) = await owner.fetch(
            "SELECT c.id::text, coalesce(external_code, code) FROM coupons c JOIN customers USING (customer_no)"
            " WHERE customer_id = 'bert'"
        )
    name = f"coupon …{code[-4:]}"
    said = (await couponry("explain", "--coupon", coupon_id, "--json")).json()["timeline"]
    words = ("told", "delivered", "given up", "held", "telling", "to be told")
    return [
        (one["what"], one["detail"].replace(name, "it").partition(", after")[0])
        for one in said
        if one["what"] in words or "coupon.delivered" in one["detail"]
    ]


async def test_attempts_and_their_end_are_told(told: Settings, couponry_on: CommandOn) -> None:
    """A bad answer, a code that subscribers heard of, and the cancellation that followed, with a bad answer too."""
    assert await of_bert(told, couponry_on(told)) == [
        ("told", "it to the partner's own system: attempt 1, status 500"),
        ("told", "it to the partner's own system: attempt 2, 200"),
        ("delivered", "it: their system has it"),
        ("published", "coupon.delivered of it in coupon-lifecycle"),
        ("told", "the cancellation of it to the partner's own system: attempt 1, status 500"),
        ("told", "the cancellation of it to the partner's own system: attempt 2, 200"),
        ("delivered", "the cancellation of it: their system has it"),
    ]


@pytest.mark.parametrize(
    ("state", "what", "detail"),
    [
        ("status = 'dead'", "given up", "until sent again"),
        ("status = 'held'", "held", "until the partner's webhook takes it"),
        ("status = 'pending', is_next = true, due_at = '2031-01-01T00:00Z'", "to be told", "not before 2031-01-01T00:00:00.000000Z"),
        ("status = 'pending'", "to be told", "after what the customer was given before"),
        ("status = 'pending', is_next = true, begun_at = now()", "telling", "under way"),
    ],
)  # fmt: skip
async def test_what_is_still_to_come_is_told(
    again: Settings, couponry_on: CommandOn, state: str, what: str, detail: str
) -> None:
    """Of a cancellation that nobody has taken yet, whatever keeps it."""
    async with connected(again, role=None) as owner:
        await owner.execute(
            f"UPDATE deliveries SET delivered_at = NULL, {state} WHERE kind = 'cancelled'"
        )
    assert (await of_bert(again, couponry_on(again)))[-1] == (
        what,
        f"the cancellation of it: {detail}",
    )
