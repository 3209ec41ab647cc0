"""`/configurations/coupon/test`: one request of a sample to the partner's own coupon system, as it would be called."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import asyncpg

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import whole
from schemas.gameball_v4.deliveries import ShownTest, TestCall
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.webhook_addresses import forbidden
from services.adapters.postgres.clock import own_clock
from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import CannotOpen, secrets_by
from services.adapters.webhook_sending import Sender
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.limits import too_many
from services.api.edge.problems import Problem, Reason, invalid, unavailable
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import sent_object, shown
from services.domain.terms import Terms, TermsType
from services.domain.webhooks.answers import Outcome, verdict
from services.domain.webhooks.rendering import Rendered, SentCoupon, rendered
from services.domain.webhooks.webhook import Webhook
from services.runtime.settings import SettingsError

router = Router(prefix="/api/v4/integrations/configurations/coupon", tags=["coupon-webhook"])

SAMPLE_CUSTOMER: Final = "CUS_12345"
SAMPLE_CODE: Final = "50EGPOFF"
SAMPLE_VALUE: Final = Decimal(50)
_TYPES: Final = {
    "percentage": TermsType.PERCENTAGE,
    "fixed": TermsType.FIXED,
    "fixed_rate": TermsType.FIXED,
    "free_shipping": TermsType.FREE_SHIPPING,
    "free_product": TermsType.FREE_PRODUCT,
}
_HAS_VALUE: Final = frozenset({TermsType.PERCENTAGE, TermsType.FIXED})
_BODY: Final = takes(TestCall, partly=True, changes=False)
_BODY["requestBody"]["required"] = False

log = logging.getLogger(__name__)


@router.post("/test", responses=gives(200, ShownTest, "What came of it.", 400), openapi_extra=_BODY)
async def try_coupon_webhook(call: Writing) -> Reply:
    """Send a sample, marked `webhook-test: true`, also while the webhook is switched off; or show it, unsent.

    Ten times a minute. Nothing is kept of it, and no answer switches the webhook off.
    """
    standing = call.api.limits.webhook_test(call.partner_id)
    if standing.exceeded:
        raise too_many(standing)
    sent = await sent_object(call) if await call.body() else {}
    try:
        asked = whole(TestCall, sent, Sections())
    except InvalidDefinition as refused:
        raise invalid(refused.errors) from None
    async with call.reading() as connection:
        webhook = await webhook_of(connection, call)
    if webhook is None:
        raise Problem(Reason.NOT_FOUND)
    request = rendered(
        webhook, _sample(asked, webhook), id=f"test_{uuid4()}", at=own_clock(), is_test=True
    )
    if asked.dry_run:
        return shown({"request": request.shown()})
    return shown(await _came(call, request, webhook.timeout_seconds))


async def webhook_of(connection: asyncpg.Connection, call: Call) -> Webhook | None:
    """The partner's, secrets opened. Raises Problem 503 where they cannot be: who runs the API has to set the key."""
    try:
        secrets = secrets_by(call.api.settings)
        return (await webhooks_of(connection, [call.partner_id], secrets)).get(call.partner_id)
    except (SettingsError, CannotOpen) as error:
        log.error("%s", error)
        raise unavailable() from None


async def _came(call: Call, request: Rendered, timeout_seconds: int) -> dict[str, Any]:
    sender = Sender(call.api.settings, forbidden)
    try:
        received = await sender.send(request, timeout_seconds)
    finally:
        await sender.close()
    said = verdict(received.answer)
    return {
        "ok": said.outcome in (Outcome.DONE, Outcome.PROMISED),
        "status": received.answer.status,
        "code": said.code,
        "durationMs": received.duration_ms,
        "error": said.error,
    }


def _sample(asked: TestCall, webhook: Webhook) -> SentCoupon:
    of_webhook = min(webhook.sends, default=TermsType.FIXED)
    type_ = of_webhook if asked.type is None else _TYPES[asked.type]
    value = SAMPLE_VALUE if type_ in _HAS_VALUE else None
    return SentCoupon(
        coupon_id=str(uuid4()),
        customer_id=SAMPLE_CUSTOMER,
        code=SAMPLE_CODE,
        terms=Terms(type=type_, value=value),
        expires_at=None,
    )
