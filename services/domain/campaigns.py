"""Campaigns: who may achieve one, what counts towards it, and what an achievement is worth.

Steps towards a campaign are counted like stamps: rounds are numbered from 1, a full one is an achievement, and counting
starts anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from services.domain.events import OrderLine
from services.domain.exact import AS_IT_IS, ZERO, Quotient, plus, quotient, times, total
from services.domain.rewards import NO_REWARD, Reward
from services.domain.triggers import PLACE_ORDER, Metadata, Trigger
from services.domain.values import quickly_made, replaced

ANY_NUMBER = -1


class CampaignReason(StrEnum):
    """Why an event does not count towards a campaign, in the order in which reasons are named."""

    INACTIVE = "campaign_inactive"
    NOT_STARTED = "campaign_not_started"
    ENDED = "campaign_ended"
    TIER_NOT_ELIGIBLE = "tier_not_eligible"
    TAG_NOT_ELIGIBLE = "tag_not_eligible"
    MAX_ACHIEVEMENT_REACHED = "max_achievement_reached"
    CONDITION_NOT_MET = "condition_not_met"


class CampaignOutcome(StrEnum):
    """What became of a campaign that an event could count towards."""

    ACHIEVED = "achieved"
    PROGRESSED = "progressed"
    REFUSED = "refused"


@quickly_made(frozen=True, slots=True, kw_only=True)
class CampaignResult:
    """What an event did for one campaign, and why if nothing."""

    campaign_id: int
    outcome: CampaignOutcome
    reason: CampaignReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """`ends_at` is exclusive. `factor`: it multiplies an order's points, and is achieved by each that it multiplies.

    `collection_ids` and `product_skus`: lines that it applies to, as text; both empty: all.
    `needs_line`: a campaign on orders that asks for such a line.
    """

    id: int
    type: str
    name: str
    trigger: Trigger
    reward: Reward = NO_REWARD
    factor: Decimal | None = None
    is_active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    min_tier: int = 1
    tags: frozenset[str] = frozenset()
    max_achievement: int = 1
    collection_ids: frozenset[str] = frozenset()
    product_skus: frozenset[str] = frozenset()
    needs_line: bool = False

    def applies_to(self, line: OrderLine) -> bool:
        """Whether it names this line; one that names nothing applies to all."""
        if not self.collection_ids and not self.product_skus:
            return True
        return (
            line.product_id in self.product_skus
            or line.sku in self.product_skus
            or not self.collection_ids.isdisjoint(line.collection_ids)
        )

    def applies_to_any(self, lines: Sequence[OrderLine]) -> bool:
        """Whether it applies to a line of these; with none, whether it applies to all there could be."""
        if not lines:
            return not self.collection_ids and not self.product_skus
        return any(self.applies_to(line) for line in lines)


@quickly_made(frozen=True, slots=True, kw_only=True)
class Progress:
    """Of a customer in one campaign: achievements that count, and the steps of the round under way."""

    achieved: int = 0
    round: int = 1
    steps: int = 0


NO_PROGRESS = Progress()


@quickly_made(frozen=True, slots=True, kw_only=True)
class CampaignProgress:
    """A family of the customer's state: progress by campaign id."""

    by_id: Mapping[int, Progress] = field(default_factory=dict)

    def of(self, campaign_id: int) -> Progress:
        return self.by_id.get(campaign_id, NO_PROGRESS)


NO_CAMPAIGNS = CampaignProgress()


@quickly_made(frozen=True, slots=True, kw_only=True)
class CountStep:
    """A step towards a campaign, in this round; `steps` are done with it."""

    campaign_id: int
    round: int
    steps: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class Achieve:
    """A campaign is achieved: round `achievement` is full. `points` and `score` are what its rewards gave."""

    campaign_id: int
    campaign_type: str
    achievement: int
    points: int = 0
    score: int = 0
    coupon_ids: tuple[str, ...] = ()
    entry: int | None = None
    """The number of the entry that gave them."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class TakeStepBack:
    """Undo a step of the round under way."""

    campaign_id: int


@quickly_made(frozen=True, slots=True, kw_only=True)
class Revoke:
    """An achievement counts no more."""

    campaign_id: int
    achievement: int


CampaignEffect = CountStep | Achieve | TakeStepBack | Revoke


def after(progress: CampaignProgress, effect: CampaignEffect) -> CampaignProgress:
    """The progress after one effect."""
    was = progress.of(effect.campaign_id)
    match effect:
        case CountStep():
            now = replaced(was, steps=effect.steps)
        case Achieve():
            now = Progress(achieved=was.achieved + 1, round=was.round + 1)
        case TakeStepBack():
            now = replaced(was, steps=was.steps - 1)
        case Revoke():
            now = replaced(was, achieved=was.achieved - 1)
        case _:
            assert_never(effect)
    return CampaignProgress(by_id={**progress.by_id, effect.campaign_id: now})


def laid_over(stored: CampaignProgress, changes: CampaignProgress) -> CampaignProgress:
    """What is stored with the changes on top."""
    return CampaignProgress(by_id={**stored.by_id, **changes.by_id})


@quickly_made(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """From where a campaign is judged: the event's own time, and the customer's tier and tags before the event."""

    occurred_at: datetime
    tier_order: int
    tags: frozenset[str]


def ineligible(campaign: Campaign, view: Standpoint, achieved: int) -> CampaignReason | None:
    """The first reason why this customer cannot achieve it now; None if nothing stands against it."""
    if not campaign.is_active:
        return CampaignReason.INACTIVE
    if campaign.starts_at is not None and view.occurred_at < campaign.starts_at:
        return CampaignReason.NOT_STARTED
    if campaign.ends_at is not None and view.occurred_at >= campaign.ends_at:
        return CampaignReason.ENDED
    if view.tier_order < campaign.min_tier:
        return CampaignReason.TIER_NOT_ELIGIBLE
    if campaign.tags and campaign.tags.isdisjoint(view.tags):
        return CampaignReason.TAG_NOT_ELIGIBLE
    if campaign.max_achievement != ANY_NUMBER and achieved >= campaign.max_achievement:
        return CampaignReason.MAX_ACHIEVEMENT_REACHED
    return None


@quickly_made(frozen=True, slots=True, kw_only=True)
class Multiplied:
    """What the lines of an order are multiplied by together, and the campaigns that some line took its factor of."""

    by: Quotient = AS_IT_IS
    taken_of: frozenset[int] = frozenset()


UNMULTIPLIED = Multiplied()


def multiplied(campaigns: Sequence[Campaign], lines: Sequence[OrderLine]) -> Multiplied:
    """Each line by the highest factor that applies to it, weighed by its value; of equals the campaign of lowest id.

    Lines worth less than nothing weigh nothing. Where no line weighs anything, only campaigns that apply to
    everything count.
    """
    if not campaigns:
        return UNMULTIPLIED
    weights = [max(line.value, ZERO) for line in lines]
    together = total(weights)
    if together <= 0:
        found = _highest([campaign for campaign in campaigns if campaign.applies_to_any(())])
        if found is None:
            return UNMULTIPLIED
        return Multiplied(by=quotient((found.factor or 1,)), taken_of=frozenset({found.id}))
    weighed, taken = ZERO, set()
    for line, weight in zip(lines, weights, strict=True):
        found = _highest([campaign for campaign in campaigns if campaign.applies_to(line)])
        weighed = plus(weighed, times(weight, (found.factor or 1) if found is not None else 1))
        if found is not None and weight:
            taken.add(found.id)
    return Multiplied(by=quotient((weighed,), (together,)), taken_of=frozenset(taken))


def _highest(campaigns: Sequence[Campaign]) -> Campaign | None:
    """The one with the highest factor, the lowest id among equals."""
    return min(campaigns, key=lambda each: (-(each.factor or ZERO), each.id), default=None)


def counts_towards(
    campaign: Campaign, event_name: str, metadata: Metadata, lines: Sequence[OrderLine]
) -> bool:
    """Whether this event is a step towards the campaign, who may achieve it aside."""
    if campaign.needs_line and event_name == PLACE_ORDER and not campaign.applies_to_any(lines):
        return False
    return campaign.trigger.holds(event_name, metadata)
