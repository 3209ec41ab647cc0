"""The last step of every decision under a program: the tier that progress has come to, and what reaching it brings."""

from __future__ import annotations

from services.domain.campaigns import CampaignResult
from services.domain.course import Course
from services.domain.decision import CodeDiscount, ProgramAnswer
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.referrals import ReferralResult
from services.domain.tiers import ChangeTier, GrantTier, Tier, TierRef, progress_by, ref_of


def settled(
    course: Course,
    campaigns: tuple[CampaignResult, ...] = (),
    discounts: tuple[CodeDiscount, ...] = (),
    referral: ReferralResult | None = None,
) -> ProgramAnswer | None:
    """Settle the tier, and what the program has made of the event; None without a program."""
    if course.program is None:
        return None
    before, after = _settle_tier(course, course.program)
    return ProgramAnswer(
        version=course.program.version,
        tier_before=before,
        tier_after=after,
        campaigns=campaigns,
        discounts=discounts,
        referral=referral,
    )


def _settle_tier(course: Course, program: PartnerProgram) -> tuple[TierRef | None, TierRef | None]:
    """Grant each tier newly reached, lowest first, until nothing moves; answers the tier before and after.

    One begins in the first tier, without a record. Rewards may raise progress, and so reach the next one.
    """
    standing = course.state.standing
    before = program.tier_of(standing)
    passed = _order_now(program, before)
    while (now := course.tier_now()) is not None:
        if passed is not None and now.order <= passed:
            break
        reached = [tier for tier in program.tiers[1:] if _is_reached(tier, passed, now)]
        passed = now.order if passed is None else max(passed, now.order)
        if not reached:
            break
        for tier in reached:
            _grant(course, tier)
    after = ref_of(now)
    if after != standing.tier or not standing.is_recorded:
        has_moved = (before and before.id) != (after and after.id)
        course.add(
            ChangeTier(
                before=before,
                after=after,
                method=program.tier_method,
                progress=progress_by(program.tier_method, course.state.wallet),
                is_told=has_moved,
            )
        )
    return before, after


def _order_now(program: PartnerProgram, before: TierRef | None) -> int | None:
    """Of the tier before the event as it is numbered now, whatever it was then; None where it is there no more: then
    every tier that the customer has not been in is a new one."""
    if before is None:
        return None
    return next((tier.order for tier in program.tiers if tier.id == before.id), None)


def _is_reached(tier: Tier, passed: int | None, now: Tier) -> bool:
    return tier.order <= now.order and (passed is None or tier.order > passed)


def _grant(course: Course, tier: Tier) -> None:
    """What joining a tier brings, once for ever."""
    if course.state.standing.has_granted(tier):
        return
    ref = ref_of(tier)
    assert ref is not None
    course.add(GrantTier(tier=ref))
    course.grant(tier.entry + tier.lifetime, Source(SourceKind.TIER, str(tier.id)))
