"""The values of events about the program, and of coupons with terms, as JSON text in the shapes of `schemas`.

Amounts are texts, points whole numbers. What has no value is null, so that subscribers find every field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from services.adapters.wire import cause_value, instant, shown_code, source_value, terms_value
from services.domain.campaigns import Achieve, Revoke
from services.domain.coupons.effects import DeclineReward, GrantCoupon
from services.domain.events import Cause
from services.domain.exact import text_of, text_or_none
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import Post
from services.domain.referrals import RewardReferral
from services.domain.tiers import ChangeTier, TierRef
from services.domain.values import quickly_made

_MAX_ID: Final = 2**63 - 1
_is_id = re.compile(r"[1-9][0-9]{0,18}").fullmatch


@quickly_made(frozen=True, slots=True, kw_only=True)
class About:
    """What every event about a customer's program says. `cause` None: time; `program_version` None: none was set."""

    partner_id: int
    customer_id: str
    at: datetime
    program_version: int | None
    cause: Cause | None

    def value(self, source: Source, **details: Any) -> str:
        """The data of an event."""
        return _json(
            {
                "partner_id": self.partner_id,
                "customer_id": self.customer_id,
                "at": instant(self.at),
                "source": source_value(source),
                "program_version": self.program_version,
                "cause": cause_value(self.cause),
                **details,
            }
        )


def points_value(entry: Post, entry_id: str, about: About) -> str:
    """Data of `points.earned` and its like: an entry that moves the wallet."""
    ends = entry.opens.expires_at if entry.opens is not None else None
    return about.value(
        entry.source,
        entry_id=entry_id,
        points=abs(entry.points),
        balance=entry.balance,
        expires_at=instant(ends) if ends is not None else None,
        order_id=entry.order_id,
        base_points=text_or_none(entry.base_points),
        factor=text_or_none(entry.factor),
    )


def points_expiring_value(points: int, expires_at: datetime, source: Source, about: About) -> str:
    """Data of `points.expiring`."""
    return about.value(source, points=points, expires_at=instant(expires_at))


def tier_changed_value(change: ChangeTier, about: About) -> str:
    """Data of `tier.changed`."""
    named = change.after or change.before
    source = Source(SourceKind.TIER, str(named.id) if named is not None else "")
    return about.value(
        source,
        **{"from": tier_value(change.before), "to": tier_value(change.after)},
        method=change.method,
        progress=text_of(change.progress),
    )


def campaign_achieved_value(achieved: Achieve, about: About) -> str:
    """Data of `campaign.achieved`."""
    return about.value(
        Source(SourceKind.CAMPAIGN, str(achieved.campaign_id)),
        campaign_id=achieved.campaign_id,
        campaign_type=achieved.campaign_type,
        achievement=achieved.achievement,
        points=achieved.points,
        score=achieved.score,
        coupon_ids=list(achieved.coupon_ids),
    )


def campaign_revoked_value(revoked: Revoke, about: About) -> str:
    """Data of `campaign.revoked`."""
    return about.value(
        Source(SourceKind.CAMPAIGN, str(revoked.campaign_id)),
        campaign_id=revoked.campaign_id,
        achievement=revoked.achievement,
    )


def referral_rewarded_value(rewarded: RewardReferral, about: About) -> str:
    """Data of `referral.rewarded`."""
    return about.value(
        Source(SourceKind.REFERRAL, rewarded.friend_id),
        role=rewarded.role,
        friend_id=rewarded.friend_id,
        referrals=rewarded.referrals,
        extra=rewarded.extra,
        points=rewarded.points,
        score=rewarded.score,
        coupon_ids=list(rewarded.coupon_ids),
    )


def reward_declined_value(declined: DeclineReward, about: About) -> str:
    """Data of `reward.declined`."""
    return about.value(declined.source, reason=declined.reason, rule_id=declined.rule_id)


def referral_completed_value(partner_id: int, referrer_id: str, friend_id: str) -> str:
    """Data of `referral.completed`, told to the referrer."""
    return _json({"partner_id": partner_id, "customer_id": referrer_id, "friend_id": friend_id})


def birthday_value(partner_id: int, customer_id: str, year: int) -> str:
    """Data of `customer.birthday`."""
    return _json({"partner_id": partner_id, "customer_id": customer_id, "year": year})


def granted_value(
    grant: GrantCoupon, partner_id: int, customer_id: str, cause: Cause, *, mask_codes: bool = False
) -> str:
    """Data of `coupon.issued` of a coupon that no game issued."""
    return _json(
        {
            "coupon_id": grant.coupon_id,
            "code": shown_code(grant.code, grant.terms.code_prefix, mask_codes),
            "partner_id": partner_id,
            "game_id": None,
            "customer_id": customer_id,
            "reward_description": None,
            "product_ids": _numbers_among(grant.terms.product_ids),
            "issued_at": instant(grant.issued_at),
            "expires_at": instant(grant.expires_at) if grant.expires_at is not None else None,
            "is_unlimited": grant.expires_at is None,
            "rule": None,
            "source": source_value(grant.source),
            "program_version": grant.program_version,
            "terms": terms_value(grant.terms, 0),
            "cause": cause_value(cause),
        }
    )


def _numbers_among(product_ids: Iterable[str]) -> list[int]:
    """Those that may be products of ours: a shop's own ids are any texts."""
    numbers = (int(each) for each in product_ids if _is_id(each))
    return [number for number in numbers if number <= _MAX_ID]


def tier_value(tier: TierRef | None) -> dict[str, Any] | None:
    """A tier as it was called then."""
    return None if tier is None else {"id": tier.id, "order": tier.order, "name": tier.name}


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()
