"""A reward campaign: who can achieve it, what counts towards it, what an achievement brings.

Decisions, where the seed leaves a choice:

* Six of the eight types have an event of their own or ask for one; where the type gives it, `trigger.eventName` may be
  left out, is shown, and cannot be another.
* `gameId` and `minScore` narrow a campaign on completed games, `applicableTo` one on orders; elsewhere they are refused
  rather than kept without effect.
* Of several factors among the rewards the highest counts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, model_validator

from schemas.gameball_v4.coupon_values import Collections, OutsideId
from schemas.gameball_v4.reading import Part, refused_at
from schemas.gameball_v4.terms import RewardCoupon
from schemas.gameball_v4.triggers import EventCondition
from schemas.gameball_v4.values import (
    MAX_COUNT,
    Count,
    End,
    EventName,
    Flag,
    Icon,
    Id,
    Language,
    Name,
    Points,
    Start,
    Tag,
    Text,
    Url,
    money,
    one_of,
    whole,
)

REWARD_CAMPAIGN: Final = "Reward Campaign"
EVENT_OF_TYPE: Final = {
    "SignUp": "sign_up",
    "Birthday": "birthday",
    "Spin The Wheel": "game_completed",
    "HighScore": "game_completed",
    REWARD_CAMPAIGN: "place_order",
}
"""What the type alone says. The other three name an event."""
TYPES: Final = (*EVENT_OF_TYPE, "SocialMedia", "EventBased", "ScheduledChallenge")
MOST_TAGS: Final = 50
MOST_REWARDS: Final = 8
MOST_LANGUAGES: Final = 50

Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]
Factor = Annotated[Decimal, money("Must be a number between 1 and 100, or null", least=1, most=100)]


class Availability(Part):
    """Who: from this order of tier up, and with any of these tags."""

    min_tier: Count = 1
    tags: Tags = Field(default_factory=list)


class Activation(Part):
    """When, both ends inside."""

    start_date: Start | None = None
    end_date: End | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Activation:
        if self.start_date and self.end_date and self.end_date < self.start_date:
            raise refused_at({"endDate": "Must not be before startDate"})
        return self


class Reward(Part):
    """Score, points and a coupon at once, or a factor on what orders earn."""

    rank_reward: Points = 0
    wallet_reward: Points = 0
    wallet_reward_factor: Factor | None = None
    coupon_reward: RewardCoupon | None = None


class CampaignTrigger(Part):
    """What counts towards it, and how often it must happen."""

    event_name: EventName | None = None
    event_meta_data: Annotated[list[EventCondition], Field(max_length=10)] = Field(
        default_factory=list
    )
    count: Annotated[int, whole(1, 1000)] = 1
    game_id: Id | None = None
    min_score: Annotated[int, whole(0, 10**12)] | None = None


class CampaignLines(Part):
    """The lines of an order that a campaign applies to; nothing named: all."""

    collections: Collections = Field(default_factory=list)
    product_skus: Annotated[list[OutsideId], Field(max_length=1_000)] = Field(default_factory=list)


class CampaignTexts(Part):
    """A campaign's texts in another language."""

    name: Name | None = None
    description: Text | None = None
    redirection_button_text: Text | None = None


class Campaign(Part):
    """A whole, valid campaign; `id` None until it is stored."""

    computed: ClassVar = frozenset({"version", "creationDate"})
    id: Id | None = None
    name: Name
    description: Text | None = None
    rewards: Annotated[list[Reward], Field(min_length=1, max_length=MOST_REWARDS)]
    is_repeatable: Flag = False
    max_achievement: Annotated[int, whole(-1, MAX_COUNT)] = 1
    type: Annotated[str, one_of(*TYPES)]
    visibility: Annotated[str, one_of("AlwaysVisible", "NotVisible", "VisibleIfEarned")] = (
        "AlwaysVisible"
    )
    icon: Icon | None = None
    availability: Availability = Field(default_factory=Availability)
    redirection_button_text: Text | None = None
    redirection_button_link: Url | None = None
    activation: Activation = Field(default_factory=Activation)
    is_active: Flag = True
    trigger: CampaignTrigger = Field(default_factory=CampaignTrigger)
    applicable_to: CampaignLines = Field(default_factory=CampaignLines)
    translations: Annotated[dict[Language, CampaignTexts], Field(max_length=MOST_LANGUAGES)] = (
        Field(default_factory=dict)
    )

    @property
    def event_name(self) -> str | None:
        """The name of the events that count."""
        return EVENT_OF_TYPE.get(self.type, self.trigger.event_name)

    @model_validator(mode="before")
    @classmethod
    def _repeats_without_end(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("isRepeatable") is True:
            return {"maxAchievement": -1, **fields}
        return fields

    @model_validator(mode="after")
    def _fits_its_type(self) -> Campaign:
        wrong = {**_wrong_count(self), **_wrong_trigger(self), **_wrong_factor(self)}
        if wrong:
            raise refused_at(wrong)
        if self.type in EVENT_OF_TYPE and self.trigger.event_name is not None:
            trigger = self.trigger.model_copy(update={"event_name": None})
            return self.model_copy(update={"trigger": trigger})
        return self


def _wrong_count(campaign: Campaign) -> dict[str, str]:
    most = campaign.max_achievement
    if campaign.is_repeatable and most == 0:
        return {"maxAchievement": "Must be -1 or at least 1"}
    if not campaign.is_repeatable and most != 1:
        return {"maxAchievement": "Must be 1 unless isRepeatable is true"}
    return {}


def _wrong_trigger(campaign: Campaign) -> dict[str, str]:
    trigger, wrong = campaign.trigger, {}
    own = EVENT_OF_TYPE.get(campaign.type)
    if own is None and trigger.event_name is None:
        wrong["trigger.eventName"] = f"Is required for the type {campaign.type}"
    if own is not None and trigger.event_name not in (None, own):
        wrong["trigger.eventName"] = f"Must be {own} for the type {campaign.type}, or left out"
    if campaign.type == "ScheduledChallenge" and campaign.activation.end_date is None:
        wrong["activation.endDate"] = "Is required for the type ScheduledChallenge"
    if campaign.type == "HighScore" and trigger.min_score is None:
        wrong["trigger.minScore"] = "Is required for the type HighScore"
    if campaign.event_name != "game_completed":
        for name, value in (("gameId", trigger.game_id), ("minScore", trigger.min_score)):
            if value is not None:
                wrong[f"trigger.{name}"] = "Is for campaigns on completed games only"
    lines = campaign.applicable_to
    if campaign.event_name != "place_order" and (lines.collections or lines.product_skus):
        wrong["applicableTo"] = "Is for campaigns on orders only"
    return wrong


def _wrong_factor(campaign: Campaign) -> dict[str, str]:
    wrong = {}
    for index, reward in enumerate(campaign.rewards):
        if reward.wallet_reward_factor is None:
            continue
        if campaign.type != REWARD_CAMPAIGN:
            wrong[f"rewards.{index}.walletRewardFactor"] = f"Is for the type {REWARD_CAMPAIGN} only"
        elif campaign.trigger.count != 1:
            wrong["trigger.count"] = "Must be 1 for a campaign with a walletRewardFactor"
    return wrong
