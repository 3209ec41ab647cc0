"""The partner's own coupon system: where and how it is called, and for which coupons.

Its secrets are texts when they are sent, `***` for one that is to stay as it is. What is stored holds each as
`{"sealed": …}`, which nobody here can open (see `webhook_changes`), and what is shown `***` again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, model_validator

from schemas.gameball_v4.coupon_values import LISTED
from schemas.gameball_v4.reading import Part, Refused, refused_at, sendable
from schemas.gameball_v4.values import Count, Flag, Name, Start, Text, one_of, whole
from schemas.gameball_v4.webhook_values import (
    HeaderName,
    HeaderValue,
    ParameterName,
    ParameterValue,
    Password,
    Payload,
    WebhookUrl,
    is_sealed,
)

MASK: Final = "***"
DEFAULT_PAYLOAD: Final = (
    '{"customerId":"{{playerUniqueId}}","amount":"{{value}}","code":"{{code}}"}'
)
MOST_WORDS: Final = 50
_TYPES: Final = {"basic": "Basic", "token": "Token", "bearer": "Token"}


class AuthenticationValue(Part):
    """A header that proves who calls, beside or instead of a type."""

    computed: ClassVar = frozenset({"type"})
    key: HeaderName
    value: HeaderValue


class Authentication(Part):
    """`Basic` by user name and password, `Token` by what is sent as `Bearer`. A header of the same name beats it."""

    type: Annotated[str, one_of("Basic", "Token")] | None = None
    username: Text | None = None
    password: Password | None = None
    token: HeaderValue | None = None
    values: Annotated[list[AuthenticationValue], Field(max_length=LISTED)] = Field(
        default_factory=list
    )

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if isinstance(sent.get("type"), str):
            sent["type"] = _TYPES.get(sent["type"].lower(), sent["type"])

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Authentication:
        if self.type == "Basic" and not self.password:
            raise refused_at({"password": "Is required for Basic"})
        if self.type == "Basic" and ":" in (self.username or ""):
            raise refused_at({"username": "Must not contain a colon"})
        if self.type == "Token" and not self.token:
            raise refused_at({"token": "Is required for Token"})
        return self


class QueryParameter(Part):
    """Appended to the address. `type` is the partner's own note."""

    type: Text | None = None
    key: ParameterName
    value: ParameterValue


class Header(Part):
    """Sent with every call; beats what authentication would send under the same name."""

    type: Text | None = None
    key: HeaderName
    value: HeaderValue


class Platform(Part):
    """A platform of the partner's; a text is both of its names."""

    display_name: Name
    value: Name

    @model_validator(mode="before")
    @classmethod
    def _has_one_name_for_both(cls, fields: Any) -> Any:
        return {"displayName": fields, "value": fields} if isinstance(fields, str) else fields


class CouponWebhook(Part):
    """How the partner's own coupon system is told of coupons, which it answers with codes of its own.

    `disabledAt`, `disabledReason`: since when and why it is switched off, where we did that.
    """

    computed: ClassVar = frozenset({"signingSecret"})
    url: WebhookUrl
    method: Annotated[str, one_of("POST", "PUT")]
    content_type: Annotated[str, one_of("application/json")]
    authentication: Authentication | None = None
    query_params: Annotated[list[QueryParameter], Field(max_length=LISTED)] = Field(
        default_factory=list
    )
    headers: Annotated[list[Header], Field(max_length=LISTED)] = Field(default_factory=list)
    payload: Payload = DEFAULT_PAYLOAD
    coupon_mapping: Annotated[dict[Name, Text], Field(max_length=MOST_WORDS)] = Field(
        default_factory=dict
    )
    enable_free_product: Flag = False
    enable_fixed_rate: Flag = False
    enable_free_shipping: Flag = False
    enable_percentage: Flag = False
    platforms: Annotated[list[Platform], Field(max_length=LISTED)] = Field(default_factory=list)
    is_active: Flag = True
    timeout_seconds: Annotated[int, whole(1, 30)] = 10
    max_in_flight: Annotated[int, whole(1, 50)] = 20
    max_per_second: Count | None = None
    cancel_url: WebhookUrl | None = None
    disabled_at: Start | None = None
    disabled_reason: Text | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        for name in ("disabledAt", "disabledReason"):  # said by us alone
            sent.pop(name, None)


class Rotation(Part):
    """`keepOldFor`: for how many seconds the secret before the new one also signs."""

    keep_old_for: Annotated[int, whole(0, 604_800)] = 86_400


NO_WEBHOOK: Final[Mapping[str, Any]] = {
    "url": None,
    "method": None,
    "contentType": None,
    **{
        field.alias or name: field.get_default(call_default_factory=True)
        for name, field in CouponWebhook.model_fields.items()
        if not field.is_required()
    },
}
"""What is shown where there is none."""


def shown_coupon(webhook: CouponWebhook | None) -> dict[str, Any]:
    """GET /coupon, its secrets masked."""
    if webhook is None:
        return dict(NO_WEBHOOK)
    found: dict[str, Any] = sendable(webhook)
    authentication = found["authentication"]
    if authentication is not None:
        for name in ("password", "token"):
            authentication[name] = _masked(authentication[name])
    values = authentication["values"] if authentication is not None else []
    for item in (*values, *found["queryParams"], *found["headers"]):
        item["value"] = _masked(item["value"])
    return found


def _masked(value: Any) -> Any:
    return MASK if is_sealed(value) else value
