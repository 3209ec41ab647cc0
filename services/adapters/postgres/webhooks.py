"""Partners' own coupon systems: what their programs say of them, and the secrets that calls are signed with.

The section is as `schemas.gameball_v4.coupon_webhook` stores it: whole, valid, and each of its secrets sealed.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.secrets import Secrets
from services.domain.terms import TermsType
from services.domain.webhooks.webhook import Webhook

SIGNING_PREFIX: Final = "whsec_"
"""Before the base64 of a signing secret, as Standard Webhooks has it."""
_SENT_BY: Final = {
    "enableFixedRate": TermsType.FIXED,
    "enablePercentage": TermsType.PERCENTAGE,
    "enableFreeProduct": TermsType.FREE_PRODUCT,
    "enableFreeShipping": TermsType.FREE_SHIPPING,
}
SENDABLE: Final = frozenset(_SENT_BY.values())
_SQL = queries("webhooks")


def sent_by(section: Mapping[str, Any] | None, *, has_had_one: bool = True) -> frozenset[TermsType]:
    """The types of coupons that a partner's system is told of. Where there is none any more, all wait for the next."""
    if section is None:
        return SENDABLE if has_had_one else frozenset()
    return frozenset(type_ for flag, type_ in _SENT_BY.items() if section[flag])


async def webhooks_of(
    connection: Connection, partner_ids: Collection[int], secrets: Secrets
) -> dict[int, Webhook]:
    """By partner, of those that have one, switched off or not; secrets that sign are those of the database's instant.

    Raises CannotOpen.
    """
    rows = await connection.fetch(_SQL["webhooks"], sorted(partner_ids)) if partner_ids else []
    return {row["partner_id"]: _webhook(row, secrets) for row in rows}


async def begin_webhook(connection: Connection, partner_id: int, at: datetime) -> None:
    """There is one since that instant, unless there ever was one before."""
    await connection.execute(_SQL["begin_webhook"], partner_id, at)


async def renew_secret(
    connection: Connection, partner_id: int, sealed: str, *, keep_old_for: timedelta
) -> None:
    """This one signs from now on, and the one before it for so long; older ones no more. Under the program's lock."""
    await connection.execute(_SQL["outdate_secret"], partner_id, keep_old_for)
    await connection.execute(_SQL["add_secret"], partner_id, sealed)


async def drop_secrets(connection: Connection, partner_id: int) -> None:
    """Forget what was signed with."""
    await connection.execute(_SQL["drop_secrets"], partner_id)


def _webhook(row: asyncpg.Record, secrets: Secrets) -> Webhook:
    partner_id: int = row["partner_id"]
    section = orjson.loads(row["section"])

    def opened(value: Any) -> str:
        """A secret is `{"sealed": …}`, anything else a text."""
        return secrets.opened(value["sealed"], partner_id) if isinstance(value, dict) else value

    def pairs(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(item["key"], opened(item["value"])) for item in items]

    own = pairs(section["headers"])
    names = {name.lower() for name, _ in own}
    authentication = section["authentication"]
    first: list[tuple[str, str]] = []
    if authentication is not None:
        secret = {name: opened(authentication[name]) for name in ("password", "token")}
        first = [*_authorization(authentication, secret), *pairs(authentication["values"])]
    return Webhook(
        partner_id=partner_id,
        url=section["url"],
        method=section["method"],
        content_type=section["contentType"],
        headers=(*((name, value) for name, value in first if name.lower() not in names), *own),
        query=tuple(pairs(section["queryParams"])),
        payload=section["payload"],
        mapping=section["couponMapping"],
        sends=sent_by(section),
        platforms=tuple(each["value"] for each in section["platforms"]),
        is_active=section["isActive"],
        timeout_seconds=section["timeoutSeconds"],
        max_in_flight=section["maxInFlight"],
        max_per_second=section["maxPerSecond"],
        cancel_url=section["cancelUrl"],
        secret_headers=frozenset(name.lower() for name, _ in first),
        signing_keys=tuple(
            base64.b64decode(secrets.opened(sealed, partner_id).removeprefix(SIGNING_PREFIX))
            for sealed in row["sealed_keys"]
        ),
    )


def _authorization(
    authentication: Mapping[str, Any], secret: Mapping[str, Any]
) -> list[tuple[str, str]]:
    if authentication["type"] == "Basic":
        who = f"{authentication['username'] or ''}:{secret['password']}"
        return [("Authorization", f"Basic {base64.b64encode(who.encode()).decode()}")]
    if authentication["type"] == "Token":
        return [("Authorization", f"Bearer {secret['token']}")]
    return []
