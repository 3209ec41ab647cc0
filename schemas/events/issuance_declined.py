"""Topic `issuance-declined`: a completion earned nothing, and why. Outgoing; owned by the issuer.

`ce_id` is `<event_key>.declined.<game_id>`.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from schemas.fields import Cause, Id, Instant, KnownCustomerId, Outgoing, Rule

Reason = Literal[
    "game_not_found",
    "result_lost",
    "game_inactive",
    "game_not_started",
    "game_ended",
    "customer_limit_reached",
    "game_limit_reached",
    "active_coupon_exists",
]


class IssuanceDeclined(Outgoing):
    """Data of `issuance.declined`. `rule` is null when there is no such game of the partner."""

    partner_id: Id
    game_id: Id
    customer_id: KnownCustomerId
    reason: Reason
    blocking_coupon_id: UUID | None
    cause: Cause
    decided_at: Instant
    rule: Rule | None
