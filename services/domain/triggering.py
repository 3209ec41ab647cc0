"""What an event sets off: campaigns, in the order of their ids, and a referral."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from services.domain.campaigns import (
    Achieve,
    Campaign,
    CampaignOutcome,
    CampaignReason,
    CampaignResult,
    CountStep,
    Standpoint,
    counts_towards,
    ineligible,
)
from services.domain.course import Course
from services.domain.events import OrderLine
from services.domain.origins import Source, SourceKind
from services.domain.profiles import CompleteReferral
from services.domain.purchases import Achievement, Step
from services.domain.referrals import ReferralOutcome, ReferralResult, RewardReferral, Role
from services.domain.triggers import Metadata
from services.domain.values import quickly_made


@quickly_made(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event as triggers see it. `order_id` and `lines` are an order's."""

    name: str
    metadata: Metadata
    occurred_at: datetime
    order_id: str | None = None
    lines: tuple[OrderLine, ...] = ()


@quickly_made(frozen=True, slots=True, kw_only=True)
class SetOff:
    """What became of each campaign, and what an order must remember of it."""

    results: tuple[CampaignResult, ...] = ()
    steps: tuple[Step, ...] = ()
    achievements: tuple[Achievement, ...] = ()


NOTHING_SET_OFF = SetOff()


def standpoint(course: Course, occurred_at: datetime) -> Standpoint:
    """From where campaigns are judged; without tiers everybody is of order 1."""
    tier_order = course.tier.order if course.tier is not None else 1
    return Standpoint(occurred_at=occurred_at, tier_order=tier_order, tags=course.tags)


def may_achieve(
    course: Course, campaign: Campaign, happening: Happening, view: Standpoint
) -> CampaignReason | None:
    """Why this event, seen from there, does not count towards the campaign; None if it does."""
    achieved = course.state.campaigns.of(campaign.id).achieved
    reason = ineligible(campaign, view, achieved)
    if reason is not None:
        return reason
    if not counts_towards(campaign, happening.name, happening.metadata, happening.lines):
        return CampaignReason.CONDITION_NOT_MET
    return None


def set_off(course: Course, happening: Happening, multiplying: Collection[int] = ()) -> SetOff:
    """Campaigns that wait for such an event. `multiplying`: those whose factor the order's points took."""
    campaigns = _waiting_for(course, happening)
    if not campaigns:
        return NOTHING_SET_OFF
    results: list[CampaignResult] = []
    steps: list[Step] = []
    achievements: list[Achievement] = []
    view = standpoint(course, happening.occurred_at)
    for campaign in campaigns:
        reason = may_achieve(course, campaign, happening, view)
        if reason is None and campaign.factor is not None and campaign.id not in multiplying:
            reason = CampaignReason.CONDITION_NOT_MET
        if reason is not None:
            outcome = CampaignOutcome.REFUSED
        else:
            was = course.state.campaigns.of(campaign.id)
            if was.steps + 1 >= campaign.trigger.count:
                outcome = CampaignOutcome.ACHIEVED
                achievements.append(_achieve(course, campaign, happening.order_id))
            else:
                outcome = CampaignOutcome.PROGRESSED
                course.add(CountStep(campaign_id=campaign.id, round=was.round, steps=was.steps + 1))
                steps.append(Step(campaign_id=campaign.id, round=was.round))
        results.append(CampaignResult(campaign_id=campaign.id, outcome=outcome, reason=reason))
    return SetOff(results=tuple(results), steps=tuple(steps), achievements=tuple(achievements))


def _achieve(course: Course, campaign: Campaign, order_id: str | None) -> Achievement:
    achievement = course.state.campaigns.of(campaign.id).round
    source = Source(SourceKind.CAMPAIGN, str(campaign.id))
    entry, coupon_ids = course.grant(campaign.reward, source, order_id)
    points = entry.points if entry is not None else 0
    score = entry.score if entry is not None else 0
    number = entry.number if entry is not None else None
    course.add(
        Achieve(
            campaign_id=campaign.id,
            campaign_type=campaign.type,
            achievement=achievement,
            points=points,
            score=score,
            coupon_ids=coupon_ids,
            entry=number,
        )
    )
    return Achievement(
        campaign_id=campaign.id,
        achievement=achievement,
        points=points,
        score=score,
        entry=number,
        coupon_ids=coupon_ids,
    )


def refer(course: Course, happening: Happening, customer_id: str) -> ReferralResult | None:
    """The customer's first event that completes the referral that brought them, if one did."""
    rules = course.program.referrals if course.program is not None else None
    profile = course.state.profile
    if rules is None or profile.referred_by is None or profile.referral_done:
        return None
    if not rules.trigger.holds(happening.name, happening.metadata):
        return None
    course.add(CompleteReferral(referrer_id=profile.referred_by))
    entry, coupon_ids = course.grant(rules.friend, Source(SourceKind.REFERRAL, customer_id))
    if entry is not None or coupon_ids:
        course.add(
            RewardReferral(
                role=Role.FRIEND,
                friend_id=customer_id,
                referrals=None,
                extra=False,
                points=entry.points if entry is not None else 0,
                score=entry.score if entry is not None else 0,
                coupon_ids=coupon_ids,
            )
        )
    return ReferralResult(outcome=ReferralOutcome.COMPLETED, referrer_id=profile.referred_by)


def multipliers(course: Course, happening: Happening) -> Sequence[Campaign]:
    """Campaigns that multiply this order's points, if a line takes their factor."""
    with_factor = [each for each in _waiting_for(course, happening) if each.factor is not None]
    if not with_factor:
        return ()
    view = standpoint(course, happening.occurred_at)
    return [
        campaign
        for campaign in with_factor
        if may_achieve(course, campaign, happening, view) is None
    ]


def _waiting_for(course: Course, happening: Happening) -> Sequence[Campaign]:
    return () if course.program is None else course.program.campaigns_on(happening.name)
