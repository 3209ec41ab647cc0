"""`/configurations/coupon`: the partner's own coupon system, and the secret that calls of it are signed with.

A new signing secret is shown once, in the answer to what made it. That answer is kept for who repeats the request, and
so is kept as everything secret is: sealed, and opened on its way out, the first time as again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

import asyncpg

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import whole
from schemas.gameball_v4.coupon_webhook import CouponWebhook, Rotation, shown_coupon
from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.webhook_answers import ShownWebhook, ShownWebhookOnce
from schemas.gameball_v4.webhook_changes import delete_coupon, put_coupon
from services.adapters.postgres.clock import clock
from services.adapters.postgres.webhooks import drop_secrets
from services.adapters.secrets import CannotOpen, Secrets, secrets_by
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.idempotency import once
from services.api.edge.problems import Problem, Reason, invalid, unavailable
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.decisions.webhooks import keep_beside, keeping, rotate_secret
from services.runtime.settings import SettingsError

router = Router(prefix="/api/v4/integrations/configurations/coupon", tags=["coupon-webhook"])

SIGNING_SECRET: Final = "signingSecret"  # noqa: S105 - the name of a field
_ROTATION: Final = takes(Rotation, partly=True)
_ROTATION["requestBody"]["required"] = False

log = logging.getLogger(__name__)


@router.get("", responses=gives(200, ShownWebhook, "The webhook."), openapi_extra=READS)
async def show_coupon_webhook(call: Reading) -> Reply:
    """Show how the partner's own coupon system is called, its secrets masked; nulls where there is none."""
    _, now = await sections.read(call)
    return shown(shown_coupon(now.coupon))


@router.put(
    "",
    responses=gives(200, ShownWebhookOnce, "The webhook as it is now.", 400, 409),
    openapi_extra=takes(CouponWebhook),
)
async def put_coupon_webhook(call: Writing) -> Reply:
    """Replace all of it: what is not given falls back. A secret of `***` stays as it is.

    The first one, and the first after it was removed, is answered with its `signingSecret`, which is shown only once.
    """
    sent = await sent_object(call)
    secrets = _secrets(call)
    kept = keeping(secrets, call.partner_id, allows_private=call.api.settings.webhook_allow_private)

    def edit(now: Sections) -> Sections:
        return put_coupon(now, sent, kept)

    async def work(connection: asyncpg.Connection) -> Reply:
        made = await sections.made(connection, call, edit)
        at = await clock(connection, call.api.manner.clock_offset)
        secret = await keep_beside(connection, call.partner_id, made, secrets, at)
        return _sealed(made.after, secret)

    return _opened(await once(call, work), call, secrets)


@router.delete("", responses=gives(200, bool, "True.", 409), openapi_extra=KEYED)
async def remove_coupon_webhook(call: Writing) -> Reply:
    """Remove it, and the secrets it was signed with. What was to be sent to it waits."""

    async def work(connection: asyncpg.Connection) -> Reply:
        await sections.made(connection, call, delete_coupon)
        await drop_secrets(connection, call.partner_id)
        return shown(True)

    return await once(call, work)


@router.post(
    "/rotate-secret",
    responses=gives(200, ShownWebhookOnce, "The webhook, with its new secret.", 400, 409),
    openapi_extra=_ROTATION,
)
async def rotate_signing_secret(call: Writing) -> Reply:
    """Make a new signing secret. The one before it also signs for `keepOldFor` seconds, older ones no more."""
    sent = await sent_object(call) if await call.body() else {}
    secrets = _secrets(call)
    keep_old_for = timedelta(seconds=_rotation(sent).keep_old_for)

    async def work(connection: asyncpg.Connection) -> Reply:
        rotated = await rotate_secret(connection, call.partner_id, secrets, keep_old_for)
        if rotated is None:
            raise Problem(Reason.NOT_FOUND)
        await audit.record(connection, call, "webhook.secret_rotated", call.partner_id)
        return _sealed(*rotated)

    return _opened(await once(call, work), call, secrets)


def _rotation(sent: dict[str, Any]) -> Rotation:
    try:
        return whole(Rotation, sent, Sections())
    except InvalidDefinition as refused:
        raise invalid(refused.errors) from None


def _secrets(call: Call) -> Secrets:
    """Raises Problem 503 where nothing can be sealed: whoever runs the API has to set the key."""
    try:
        return secrets_by(call.api.settings)
    except SettingsError as error:
        log.error("%s", error)
        raise unavailable() from None


def _sealed(now: Sections, secret: str | None) -> Reply:
    """The answer as it may be kept."""
    document = shown_coupon(now.coupon)
    return shown(document if secret is None else {**document, SIGNING_SECRET: secret})


def _opened(reply: Reply, call: Call, secrets: Secrets) -> Reply:
    """The same for its partner. Raises Problem 503 once the key is gone that sealed it."""
    document = read(bytes(reply.body))
    if SIGNING_SECRET not in document:
        return reply
    try:
        document[SIGNING_SECRET] = secrets.opened(document[SIGNING_SECRET], call.partner_id)
    except CannotOpen as error:
        log.error("%s", error)
        raise unavailable() from None
    answer = shown(document)
    if all(name in reply.headers for name in call.dialect.replayed):
        answer.headers.update(call.dialect.replayed)
    return answer
