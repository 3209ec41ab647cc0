"""Whether the code of a coupon is final: to come from its issue until it is given, or its delivery is dead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.adapters.postgres import deliveries
from services.adapters.postgres.clock import clock
from services.adapters.secrets import secrets_by
from services.domain.coupons.coupon import CodeStatus
from services.webhooks.configured import webhooks_now
from tests.stand.database import connected
from tests.stand.receiver import Got, answer, own_code, receiving
from tests.webhooks.stand import FIXED, ISSUED_AT, Stand, sending

FINAL, PENDING = CodeStatus.FINAL, CodeStatus.PENDING
FAR_OFF = datetime(2100, 1, 1, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:1/"


async def resend(stand: Stand, coupon_id: str) -> None:
    """As its partner asks for it."""
    async with stand.connection.transaction():
        found = await deliveries.delivery(stand.connection, coupon_id, "issued")
        assert found is not None
        at = await clock(stand.connection, stand.settings.clock_offset)
        await deliveries.queue_again(stand.connection, found, coupon_id, at)
    await stand.connection.execute(deliveries.WAKE_SENDER)


async def redrive(stand: Stand) -> int:
    """Everything, as its partner asks for it."""
    found = await webhooks_now(stand.connection, [stand.partner_id], secrets_by(stand.settings), {})
    async with stand.connection.transaction():
        at = await clock(stand.connection, stand.settings.clock_offset)
        queued = await deliveries.redrive(
            stand.connection, stand.partner_id, found.get(stand.partner_id),
            ISSUED_AT, ISSUED_AT + timedelta(days=1), at,
        )  # fmt: skip
    await stand.connection.execute(deliveries.WAKE_SENDER)
    return queued


async def test_code_is_final_once_it_is_given_or_its_delivery_dead(stand: Stand) -> None:
    """Pending until then; sent again it is to come once more, and what a dead one did not bring may come after all."""
    failing = True

    def script(got: Got) -> bytes:
        return answer(404) if failing and got.json()["customerId"] == "anna" else own_code(got)

    async with receiving(script) as receiver, sending(stand.settings):
        await stand.webhook(receiver.url, isActive=False)
        dies, comes = await stand.coupon(), await stand.coupon("bert")
        assert await stand.code_status(dies) == PENDING
        await stand.read(dies, comes)
        assert [await stand.code_status(each) for each in (dies, comes)] == [PENDING] * 2
        await stand.webhook(receiver.url)
        await stand.until([dies], "dead")
        await stand.until([comes], "delivered")
        assert [await stand.code_status(each) for each in (dies, comes)] == [FINAL] * 2
        failing = False
        await stand.webhook(receiver.url, isActive=False)
        for again in (dies, comes):
            await resend(stand, again)
        assert [await stand.code_status(each) for each in (dies, comes)] == [PENDING, FINAL]
        await stand.webhook(receiver.url)
        await stand.until([dies], "delivered")
        assert await stand.code_status(dies) == FINAL


async def test_redriven_code_is_to_come_again(stand: Stand) -> None:
    """Of a dead delivery, of a coupon from before the first webhook, and of one that nobody has heard of yet."""
    before = await stand.coupon(code_pending=False)
    old = await stand.coupon(
        code_pending=False, terms={"type": "custom", "usage_limit": 1, "group": "g"}
    )
    since = ISSUED_AT + timedelta(minutes=2, seconds=1)
    async with receiving(lambda got: answer(404)) as receiver, sending(stand.settings):
        await stand.webhook(receiver.url, since=since)
        dead, unread = await stand.coupon(), await stand.coupon("bert")
        await stand.read(dead)
        await stand.until([dead], "dead")
    await stand.webhook(NOWHERE, isActive=False)
    coupons = (before, dead, unread, old)
    assert [await stand.code_status(each) for each in coupons] == [FINAL, FINAL, PENDING, FINAL]
    assert await redrive(stand) == 3
    assert [await stand.code_status(each) for each in coupons] == [PENDING] * 3 + [FINAL]
    assert [await stand.status(each) for each in coupons] == ["held"] * 3 + [None]
    assert await stand.read(unread) == 0


@pytest.mark.parametrize("sent", [{"enableFixedRate": False}, {"isActive": False}])
async def test_issue_says_whether_a_coupon_is_told_of(stand: Stand, sent: dict[str, bool]) -> None:
    """What was to come waits when it is switched off before anybody has read of it; what was not does not come."""
    await stand.webhook(NOWHERE, **sent)
    never = await stand.coupon(code_pending=False)
    await stand.webhook(NOWHERE)
    told = await stand.coupon()
    assert await stand.read(never) == 0
    await stand.webhook(NOWHERE, **sent)
    assert await stand.read(told, never) == 1
    assert (await stand.status(told), await stand.code_status(told)) == ("held", PENDING)
    assert (await stand.status(never), await stand.code_status(never)) == (None, FINAL)


@pytest.mark.parametrize("status", ["cancelled", "expired"])
async def test_coupon_that_is_over_gets_its_code_if_it_was_asked_for(
    stand: Stand, status: str
) -> None:
    """Over while the partner's system thinks: the code comes. Over before anybody asked: ours stays for good."""

    async def thinks(got: Got) -> bytes:
        await end(asked)
        return own_code(got)

    async def end(coupon_id: str) -> None:
        # The stand's own connection may be in use: somebody waits for a delivery meanwhile.
        async with connected(stand.settings, role=None) as owner:
            await owner.execute("UPDATE coupons SET status = $2 WHERE id = $1", coupon_id, status)

    async with receiving(thinks) as receiver, sending(stand.settings):
        await stand.webhook(receiver.url)
        asked = await stand.coupon(expires_at=FAR_OFF)
        never = await stand.coupon("bert", expires_at=FAR_OFF)
        await end(never)
        await stand.read(asked, never)
        await stand.until([asked], "delivered")
        await stand.until([never], "dead")
    assert await stand.code(asked) == f"OWN-issued_{asked}"
    assert [await stand.code_status(each) for each in (asked, never)] == [FINAL] * 2
    assert await stand.code(never) is None


async def test_code_that_is_there_is_not_to_come(stand: Stand) -> None:
    """Whoever writes it: what an older release gives is final, and nobody can say otherwise."""
    coupon_id = await stand.coupon(terms=FIXED)
    await stand.connection.execute(
        "UPDATE coupons SET external_code = 'X', code_from = 'webhook' WHERE id = $1", coupon_id
    )
    assert await stand.code_status(coupon_id) == FINAL
    with pytest.raises(asyncpg.CheckViolationError, match="is_not_there"):
        await stand.connection.execute(
            "UPDATE coupons SET code_pending = true WHERE id = $1", coupon_id
        )
