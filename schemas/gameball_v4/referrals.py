"""Referrals: what must happen for one to be completed, and what it brings both. `extraReward` has two places."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from schemas.gameball_v4.campaigns import MOST_LANGUAGES
from schemas.gameball_v4.reading import Part, Refused, refused_at, unite
from schemas.gameball_v4.terms import RewardCoupon
from schemas.gameball_v4.triggers import EventCondition
from schemas.gameball_v4.values import Count, EventName, Language, Points, Text, one_of

CUSTOMER_AND_FRIEND = "CustomerAndFriend"


class ReferralReward(Part):
    """What one of the two gets."""

    score: Points = 0
    point: Points = 0
    coupon: RewardCoupon | None = None


class ExtraReward(ReferralReward):
    """On top, for every so many friends."""

    for_every: Count


class ReferralTexts(Part):
    """What the widget says of referrals, in another language."""

    name: Text | None = None
    description: Text | None = None


class Referrals(Part):
    """`referralMethod` null: switched off."""

    referral_method: Annotated[str, one_of("CustomerOnly", CUSTOMER_AND_FRIEND)] | None = None
    event_name: EventName | None = None
    event_meta_data: EventCondition | None = None
    customer_reward: ReferralReward = Field(default_factory=ReferralReward)
    friend_reward: ReferralReward = Field(default_factory=ReferralReward)
    extra_reward: ExtraReward | None = None
    translations: Annotated[dict[Language, ReferralTexts], Field(max_length=MOST_LANGUAGES)] = (
        Field(default_factory=dict)
    )

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        customer = sent.get("customerReward")
        if not isinstance(customer, dict):
            return
        names = [name for name in customer if name[:1].lower() + name[1:] == "extraReward"]
        sent["customerReward"] = {n: each for n, each in customer.items() if n not in names}
        for name in names:
            other = "customerReward.extraReward"
            unite(sent, "extraReward", customer[name], refused, other=other)

    @model_validator(mode="after")
    def _says_when(self) -> Referrals:
        if self.referral_method is not None and self.event_name is None:
            raise refused_at({"eventName": "Is required unless referralMethod is null"})
        return self
