"""What subscribers are told of a decision beyond games: coupons with terms, points, tiers, campaigns, referrals.

Ids are fixed here, for ever. An entry is `<event_key>.<n>`, the n-th of its decision. What time does to a lot, its end
and notices of it, goes by the lot's own id: the same fact has one name, whoever notices it. Points that go back to a
lot which is over end again at once, and an event is the cause of that: it is an entry of its decision like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from schemas.topics import COUPON_ISSUED, FOLLOW_UPS, PROGRAM_EVENTS
from services.adapters import program_wire
from services.adapters.event_keys import event_key
from services.adapters.postgres.outbox import OutboxRow, event_row
from services.adapters.program_wire import About
from services.decisions.follow_ups import referral_cause
from services.domain.arrival import Verdict
from services.domain.campaigns import Achieve, CampaignOutcome, CampaignReason, Revoke
from services.domain.coupons.effects import DeclineReward, GrantCoupon
from services.domain.decision import CodeDiscount, Decision, OrderReason
from services.domain.events import Cause
from services.domain.exact import text_of
from services.domain.points.wallet import EntryKind, Post
from services.domain.profiles import CompleteReferral
from services.domain.purchases import NoteUse
from services.domain.referrals import ReferralResult, RewardReferral
from services.domain.tiers import ChangeTier

POINTS_SOURCE = "/couponry/points"


def program_text(decision: Decision) -> str | None:
    """What the program made of an event, as its decision keeps it; None where there was none.

    Where there is any, also what nothing else keeps: whom of a referral subscribers are told of (`rewarded`), of how
    many coupons that could not be issued (`declined`), and what an order that used coupons and earned nothing was worth
    (`used_for`).
    """
    answer = decision.program
    if answer is None:
        return None
    before = program_wire.tier_text(answer.tier_before)
    after = program_wire.tier_text(answer.tier_after)
    campaigns = [
        f'{{"id":{each.campaign_id},{_SAID_OF_CAMPAIGN[each.outcome, each.reason]}}}'
        for each in answer.campaigns
    ]
    return (
        f'{{"tier":{{"before":{before},"after":{after}}},"campaigns":[{",".join(campaigns)}],'
        f'"discounts":{_discounts(answer.discounts) if answer.discounts else "[]"},'
        f'"referral":{"null" if answer.referral is None else _referral(answer.referral)}'
        f"{_kept_nowhere_else(decision)}}}"
    )


_SAID_OF_CAMPAIGN: Final = {
    (outcome, reason): orjson.dumps({"outcome": outcome, "reason": reason}).decode()[1:-1]
    for outcome in CampaignOutcome
    for reason in (None, *CampaignReason)
}
"""An order meets half a dozen campaigns, and most of them refuse it."""


def _discounts(discounts: Iterable[CodeDiscount]) -> str:
    return orjson.dumps(
        [
            {
                "code": each.code,
                "coupon_id": each.coupon_id,
                "class": each.discount_class,
                "amount": text_of(each.amount),
            }
            for each in discounts
        ]
    ).decode()


def _referral(referral: ReferralResult) -> str:
    return orjson.dumps(
        {
            "outcome": referral.outcome,
            "reason": referral.reason,
            "referrer_id": referral.referrer_id,
        }
    ).decode()


def _kept_nowhere_else(decision: Decision) -> str:
    """Members that follow the others, each after a comma."""
    if _TOLD_BY_DECISION.isdisjoint(map(type, decision.effects)):
        return ""
    value: dict[str, Any] = {}
    declined = 0
    for effect in decision.effects:
        match effect:
            case RewardReferral():
                value["rewarded"] = effect.role
            case DeclineReward():
                declined += 1
            case NoteUse() if isinstance(decision.reason, OrderReason):
                value["used_for"] = text_of(effect.amount)
            case _:
                pass
    if declined:
        value["declined"] = declined
    return f",{orjson.dumps(value).decode()[1:-1]}" if value else ""


_TOLD_BY_DECISION: Final = frozenset({RewardReferral, DeclineReward, NoteUse})
"""By type, since it is asked of every effect of every event."""


def granted_row(
    grant: GrantCoupon,
    partner_id: int,
    customer_id: str,
    cause: Cause,
    *,
    mask_codes: bool,
    republished: bool | None = None,
    traceparent: str | None = None,
) -> OutboxRow:
    """`coupon.issued` of a coupon with terms, whenever it is told: the same id and data each time."""
    return event_row(
        COUPON_ISSUED,
        "coupon.issued",
        f"{grant.coupon_id}.issued",
        at=grant.issued_at,
        subject=grant.coupon_id,
        customer_id=customer_id,
        value=program_wire.granted_value(
            grant, partner_id, customer_id, cause, mask_codes=mask_codes
        ),
        republished=republished,
        traceparent=traceparent,
    )


def _referral_completed(verdict: Verdict, effect: CompleteReferral) -> OutboxRow:
    """What is told to the referrer, on the topic that we read ourselves."""
    incoming = verdict.incoming
    event = incoming.event
    cause = referral_cause(incoming.event_key)
    return event_row(
        FOLLOW_UPS,
        cause.type,
        cause.id,
        at=verdict.decision.decided_at,
        subject=None,
        customer_id=effect.referrer_id,
        value=program_wire.referral_completed_value(
            event.partner_id, effect.referrer_id, event.customer_id
        ),
        traceparent=incoming.traceparent,
    )


def program_rows(verdict: Verdict) -> Iterator[OutboxRow]:
    """The events that subscribers hear of a decision, in the order in which things came about."""
    incoming, decision = verdict.incoming, verdict.decision
    event, answer = incoming.event, decision.program
    about = About(
        partner_id=event.partner_id,
        customer_id=event.customer_id,
        at=decision.decided_at,
        program_version=answer.version if answer is not None else None,
        cause=event.cause,
    )
    key, traceparent = incoming.event_key, incoming.traceparent
    entries = declined = 0
    gave_back = False
    for effect in decision.effects:
        match effect:
            case Post():
                entries += 1
                gave_back = gave_back or effect.kind is EntryKind.RESTORED
                if not effect.points:
                    continue
                if effect.kind is EntryKind.EXPIRED and not gave_back:
                    yield end_row(effect, about, traceparent)
                else:
                    yield points_row(effect, f"{key}.{entries}", about, traceparent)
            case ChangeTier(is_told=True):
                value = program_wire.tier_changed_value(effect, about)
                yield _row("tier.changed", f"{key}.tier", value, about, traceparent)
            case Achieve():
                value = program_wire.campaign_achieved_value(effect, about)
                id_ = f"{key}.achieved.{effect.campaign_id}"
                yield _row("campaign.achieved", id_, value, about, traceparent)
            case Revoke():
                value = program_wire.campaign_revoked_value(effect, about)
                id_ = f"{key}.revoked.{effect.campaign_id}.{effect.achievement}"
                yield _row("campaign.revoked", id_, value, about, traceparent)
            case RewardReferral():
                value = program_wire.referral_rewarded_value(effect, about)
                id_ = f"{key}.rewarded.{effect.role}"
                yield _row("referral.rewarded", id_, value, about, traceparent)
            case CompleteReferral():
                yield _referral_completed(verdict, effect)
            case DeclineReward():
                declined += 1
                value = program_wire.reward_declined_value(effect, about)
                yield _row("reward.declined", f"{key}.reward.{declined}", value, about, traceparent)
            case _:
                pass


def points_row(
    entry: Post, entry_id: str, about: About, traceparent: str | None = None
) -> OutboxRow:
    """An entry that moves the wallet; `at` is its own, which of a lot that is over is its end."""
    if entry.at != about.at:
        about = about.but_at(entry.at)
    value = program_wire.points_value(entry, entry_id, about)
    return _row(f"points.{entry.kind}", f"{entry_id}.{entry.kind}", value, about, traceparent)


def end_row(entry: Post, about: About, traceparent: str | None = None) -> OutboxRow:
    """The end of a lot that time alone has brought."""
    (ended,) = entry.takes
    return points_row(
        entry, lot_id(about.partner_id, about.customer_id, ended.lot), about, traceparent
    )


def lot_id(partner_id: int, customer_id: str, number: int) -> str:
    """The id of a customer's lot, by which time's doing is told."""
    return event_key(POINTS_SOURCE, f"{partner_id}/{customer_id}/{number}")


def _row(type_: str, id_: str, value: str, about: About, traceparent: str | None) -> OutboxRow:
    return OutboxRow(
        about.at, None, PROGRAM_EVENTS, type_, id_, None, about.customer_id, value, None, traceparent
    )  # fmt: skip
