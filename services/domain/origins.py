"""What something was earned by, or taken for: coupons and points say it for ever."""

from __future__ import annotations

from enum import StrEnum

from services.domain.values import quickly_made


class SourceKind(StrEnum):
    """What something was earned by, or taken for."""

    GAME = "game"
    ORDER = "order"
    CAMPAIGN = "campaign"
    TIER = "tier"
    REFERRAL = "referral"
    CARD = "card"
    REDEMPTION = "redemption"
    MANUAL = "manual"


@quickly_made(frozen=True, slots=True)
class Source:
    """Of an order its id, of a campaign its id, and so on, as text."""

    kind: SourceKind
    id: str
