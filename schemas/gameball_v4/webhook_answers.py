"""The partner's own coupon system as it is answered: secrets masked, nulls where there is none."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.gameball_v4.answers import Answer
from schemas.gameball_v4.coupon_webhook import Authentication, Header, Platform, QueryParameter


class ShownWebhook(Answer):
    """`url`, `method` and `contentType` are null where there is none. Secrets are `***`.

    `disabledAt`, `disabledReason`: since when and why it is switched off, where the partner did not do that.
    """

    url: str | None
    method: str | None
    content_type: str | None
    authentication: Authentication | None
    query_params: list[QueryParameter]
    headers: list[Header]
    payload: str
    coupon_mapping: dict[str, str]
    enable_free_product: bool
    enable_fixed_rate: bool
    enable_free_shipping: bool
    enable_percentage: bool
    platforms: list[Platform]
    is_active: bool
    timeout_seconds: Annotated[int, Field(ge=1, le=30)]
    max_in_flight: Annotated[int, Field(ge=1, le=50)]
    max_per_second: int | None
    cancel_url: str | None
    disabled_at: str | None
    disabled_reason: str | None


class ShownWebhookOnce(ShownWebhook):
    """`signingSecret`: where one was made, and never again."""

    signing_secret: Annotated[str, Field(pattern="^whsec_[A-Za-z0-9+/]{43}=$")] = Field(default="")
