"""Changes of the section `coupon`: replaced whole over HTTP as by a file, taken out, switched off by whoever calls it.

Secrets come in as texts and are kept sealed: `Keeping` says how, so that from here on nobody meets one. `***` keeps
what is stored under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from schemas.gameball_v4.coupon_webhook import MASK, NO_WEBHOOK, Authentication, CouponWebhook
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import Part, Refused, same, settled, validated
from schemas.gameball_v4.webhook_values import SEALED, is_sealed, is_secret

P = TypeVar("P", bound=Part)

NOT_STORED: Final = f"Is {MASK}, and nothing is stored that it could keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`seal` makes of a secret, and of what is stored of the one before it (None: nothing), what is stored of it.

    `allows_private`: addresses may be anybody's, by http too.
    """

    seal: Callable[[str, str | None], str]
    allows_private: bool = False


LOOKED_AT: Final = Keeping(seal=lambda secret, before: "", allows_private=True)
"""For who only looks at what a file says, and keeps nothing of it."""


def put_coupon(now: Sections, sent: Mapping[str, Any], keeping: Keeping) -> Sections:
    """PUT /coupon. What is shown of none, sent back, makes none. Raises InvalidDefinition."""
    if now.coupon is None and same(dict(sent), dict(NO_WEBHOOK)):
        return now
    _, webhook = read_coupon(now, dict(sent), keeping, strict=False)
    return replace(now, coupon=webhook)


def delete_coupon(now: Sections) -> Sections:
    """DELETE /coupon."""
    return replace(now, coupon=None)


def switched_off(now: Sections, at: datetime, reason: str) -> Sections:
    """The same, told nothing any more; as it is where there is none, or it is off already."""
    if now.coupon is None or not now.coupon.is_active:
        return now
    changes = {"is_active": False, "disabled_at": at, "disabled_reason": reason}
    return replace(now, coupon=now.coupon.model_copy(update=changes))


def read_coupon(
    now: Sections, sent: Any, keeping: Keeping, *, strict: bool, path: str = ""
) -> tuple[dict[str, Any], CouponWebhook]:
    """What was sent in the section's own names, and what it becomes, its secrets sealed. Raises InvalidDefinition."""
    refused = Refused(path)
    fields = settled(CouponWebhook, sent, refused, strict=strict)
    refused.end()
    given = replace(now.circumstances, allows_private=keeping.allows_private)
    webhook = _kept(validated(CouponWebhook, fields, given, path), now.coupon, keeping, refused)
    refused.end()
    if now.coupon is not None and not webhook.is_active:
        off = {name: getattr(now.coupon, name) for name in ("disabled_at", "disabled_reason")}
        webhook = webhook.model_copy(update=off)
    return fields, webhook


def _kept(
    webhook: CouponWebhook, before: CouponWebhook | None, keeping: Keeping, refused: Refused
) -> CouponWebhook:
    def secret(value: Any, stored: Any, at: Refused) -> Any:
        if not value:
            return value
        if value == MASK:
            if not is_sealed(stored):
                at.add(NOT_STORED)
            return stored
        return {SEALED: keeping.seal(value, stored[SEALED] if is_sealed(stored) else None)}

    def all_of(items: list[Any], stored: Iterable[Any], at: Refused, *, always: bool) -> list[Any]:
        """In lists the first of a name keeps what the first of that name is, and so on."""
        left: dict[str, list[Any]] = {}
        for item in stored:
            left.setdefault(item.key.lower(), []).append(item.value)
        kept: list[Any] = []
        for index, item in enumerate(items):
            same_name = left.get(item.key.lower())
            known = same_name.pop(0) if same_name else None
            if always or is_secret(item.key) or is_sealed(known):
                value = secret(item.value, known, at.at(index).at("value"))
                item = _with(item, value=value)
            kept.append(item)
        return kept

    authentication = webhook.authentication
    if authentication is not None:
        was = (before and before.authentication) or Authentication()
        at = refused.at("authentication")
        authentication = _with(
            authentication,
            password=secret(authentication.password, was.password, at.at("password")),
            token=secret(authentication.token, was.token, at.at("token")),
            values=all_of(authentication.values, was.values, at.at("values"), always=True),
        )
    queries = before.query_params if before else []
    headers = before.headers if before else []
    return _with(
        webhook,
        authentication=authentication,
        query_params=all_of(webhook.query_params, queries, refused.at("queryParams"), always=False),
        headers=all_of(webhook.headers, headers, refused.at("headers"), always=False),
    )


def _with(part: P, **changes: Any) -> P:
    return part.model_copy(update=changes)
