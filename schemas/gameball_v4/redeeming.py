"""Points for a coupon, as a partner asks for it."""

from __future__ import annotations

from typing import Annotated

from schemas.gameball_v4.manual_transactions import SentCustomerId
from schemas.gameball_v4.reading import Part
from schemas.gameball_v4.values import MOST, Id, whole


class RedeemPoints(Part):
    """`points`: how many, where `ruleId` is the default rule; to any other they are nothing."""

    customer_id: SentCustomerId
    rule_id: Id
    points: Annotated[int, whole(0, MOST)] | None = None
