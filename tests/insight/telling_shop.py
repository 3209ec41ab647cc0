"""A partner whose own system was told of coupons, of a cancellation too: one answer of it was bad, one coupon was used."""

from __future__ import annotations

from schemas.topics import CUSTOMERS, ORDERS
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.pool import connect
from services.adapters.secrets import secrets_by
from services.domain.coupons.coupon import Step
from services.runtime.settings import Settings
from services.webhooks.reading import Named, take
from tests.stand.busy_program import BusyProgram
from tests.stand.issuing import a_partner
from tests.stand.receiver import Got, answer, own_code, receiving
from tests.stand.telling import a_program
from tests.stand.waiting import eventually
from tests.stand.world import at_work, until_settled
from tests.webhooks.stand import Stand, sending

VISIT = {
    "name": "Visit", "type": "EventBased", "isRepeatable": True, "maxAchievement": -1,
    "trigger": {"eventName": "visit"},
    "rewards": [{"couponReward": {"couponType": "fixed_discount", "discountValue": 5}}],
}  # fmt: skip
WORD = {
    "name": "Call", "type": "EventBased", "isRepeatable": True, "maxAchievement": -1,
    "trigger": {"eventName": "call"},
    "rewards": [{"couponReward": {"couponType": "custom", "group": {"handle": "words"}}}],
}  # fmt: skip


async def make_told(settings: Settings) -> None:
    """Anna's three coupons and Bert's are delivered, his at the second attempt; one is used, his is cancelled, and told so."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    shop = BusyProgram(settings, connection, await a_partner(connection))
    await connection.execute("UPDATE partners SET sources = '{/shop}'")
    await a_program(
        connection,
        shop.partner_id,
        campaigns=[VISIT, WORD],
        couponGroups=[{"handle": "words"}],
    )
    stand = Stand(settings=settings, connection=connection, partner_id=shop.partner_id)

    def failing_once(got: Got) -> bytes:
        is_first_of_bert = got.json()["customerId"] == "bert" and receiver.ids.count(got.id) == 1
        return answer(500) if is_first_of_bert else own_code(got)

    async with receiving(failing_once) as receiver, sending(settings):
        await stand.webhook(receiver.url, cancelUrl=receiver.url.replace("/coupons", "/cancel"))
        visits = [shop.did("visit", who) for who in ("anna", "anna", "anna", "bert")]
        await shop.tell(CUSTOMERS, *visits, shop.did("call", "anna"))
        ids = await connection.fetchval(
            "SELECT array_agg(id::text ORDER BY issued_at, id) FROM coupons"
        )
        told = [each for each in ids if await stand.read(each)]
        assert len(told) == 4
        await stand.until(told, "delivered")
        first = await connection.fetchval(
            "SELECT external_code FROM coupons JOIN customers USING (customer_no)"
            " WHERE customer_id = 'anna' AND external_code IS NOT NULL ORDER BY id LIMIT 1"
        )
        await shop.tell(ORDERS, shop.ordered("o-1", "20", "anna", coupon_codes=[first]))
        await shop.use("bert", "fixed", Step.CANCELLED)
        of_bert = await connection.fetchrow(
            "SELECT coupon_id::text, at AS cancelled_at FROM coupon_history WHERE word = 'cancelled'"
        )
        assert of_bert is not None
        named = Named(partner_id=shop.partner_id, **of_bert)
        assert await take(connection, [named], settings, secrets_by(settings), {}) == 1

        async def is_told() -> bool:
            return await stand.status(of_bert["coupon_id"], "cancelled") == "delivered"

        await eventually(is_told, "the cancellation is told")
    async with at_work(settings):
        await until_settled(settings)
    await connection.close()
