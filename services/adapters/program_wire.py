"""The values of events about the program, and of coupons with terms, as JSON text in the shapes of `schemas`.

Amounts are texts, points whole numbers. What has no value is null, so that subscribers find every field. What orders
tell by the thousand is written by hand from pieces, as in `wire`; the rest by orjson.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from services.adapters.wire import (
    cause_text,
    cause_value,
    codes_value,
    instant,
    quoted,
    source_value,
    terms_value,
)
from services.domain.campaigns import Achieve, Revoke
from services.domain.coupons.coupon import CodeStatus
from services.domain.coupons.effects import DeclineReward, GrantCoupon
from services.domain.events import Cause
from services.domain.exact import text_of
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import Post
from services.domain.referrals import RewardReferral
from services.domain.tiers import ChangeTier, TierRef
from services.domain.values import quickly_made

_MAX_ID: Final = 2**63 - 1
_is_id = re.compile(r"[1-9][0-9]{0,18}").fullmatch


@quickly_made(frozen=True, slots=True, kw_only=True)
class About:
    """What every event about a customer's program says. `cause` None: time; `program_version` None: none was set.

    One is made for a decision, whose every event has in common what it says before and after its source.
    """

    partner_id: int
    customer_id: str
    at: datetime
    program_version: int | None
    cause: Cause | None
    _before: str = field(init=False, repr=False, compare=False)
    _after: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        before = (
            f'{{"partner_id":{self.partner_id},"customer_id":{quoted(self.customer_id)},'
            f'"at":"{instant(self.at)}","source":{{"kind":"'
        )
        after = (
            f'}},"program_version":{_or_null(self.program_version)},'
            f'"cause":{"null" if self.cause is None else cause_text(self.cause)},'
        )
        object.__setattr__(self, "_before", before)
        object.__setattr__(self, "_after", after)

    def but_at(self, at: datetime) -> About:
        """The same of another instant."""
        return About(
            partner_id=self.partner_id,
            customer_id=self.customer_id,
            at=at,
            program_version=self.program_version,
            cause=self.cause,
        )

    def value(self, source: Source, **details: Any) -> str:
        """The data of an event."""
        return self.said(source.kind, source.id, _json(details)[1:-1])

    def said(self, kind: SourceKind, id: str, details: str) -> str:
        """The data of an event of this source; `details` are the members of a JSON object."""
        return f'{self._before}{kind}","id":{quoted(id)}{self._after}{details}}}'


def points_value(entry: Post, entry_id: str, about: About) -> str:
    """Data of `points.earned` and its like: an entry that moves the wallet. `entry_id` is of our own making."""
    ends = entry.opens.expires_at if entry.opens is not None else None
    order_id, base, factor = entry.order_id, entry.base_points, entry.factor
    return about.said(
        entry.source.kind,
        entry.source.id,
        f'"entry_id":"{entry_id}","points":{abs(entry.points)},"balance":{entry.balance},'
        f'"expires_at":{"null" if ends is None else _instant(ends)},'
        f'"order_id":{"null" if order_id is None else quoted(order_id)},'
        f'"base_points":{"null" if base is None else _amount(base)},'
        f'"factor":{"null" if factor is None else _amount(factor)}',
    )


def points_expiring_value(points: int, expires_at: datetime, source: Source, about: About) -> str:
    """Data of `points.expiring`."""
    return about.value(source, points=points, expires_at=instant(expires_at))


def tier_changed_value(change: ChangeTier, about: About) -> str:
    """Data of `tier.changed`."""
    named = change.after or change.before
    return about.said(
        SourceKind.TIER,
        str(named.id) if named is not None else "",
        f'"from":{tier_text(change.before)},"to":{tier_text(change.after)},'
        f'"method":"{change.method}","progress":{_amount(change.progress)}',
    )


def campaign_achieved_value(achieved: Achieve, about: About) -> str:
    """Data of `campaign.achieved`."""
    id_ = achieved.campaign_id
    return about.said(
        SourceKind.CAMPAIGN,
        str(id_),
        f'"campaign_id":{id_},"campaign_type":{quoted(achieved.campaign_type)},'
        f'"achievement":{achieved.achievement},"points":{achieved.points},"score":{achieved.score},'
        f'"coupon_ids":{ids_text(achieved.coupon_ids)}',
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


def webhook_disabled_value(partner_id: int, at: datetime, reason: str) -> str:
    """Data of `webhook.disabled`."""
    return _json({"partner_id": partner_id, "at": instant(at), "reason": reason})


def granted_value(
    grant: GrantCoupon, partner_id: int, customer_id: str, cause: Cause, *, mask_codes: bool = False
) -> str:
    """Data of `coupon.issued` of a coupon that no game issued."""
    return _json(
        {
            "coupon_id": grant.coupon_id,
            **codes_value(grant.code, grant.code_prefix, grant.external_code, mask_codes),
            "code_status": CodeStatus.of(is_pending=grant.code_is_pending),
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


def tier_text(tier: TierRef | None) -> str:
    """A tier as it was called then."""
    if tier is None:
        return "null"
    return f'{{"id":{tier.id},"order":{tier.order},"name":{quoted(tier.name)}}}'


def ids_text(ids: Iterable[str]) -> str:
    """Ids of our own making, which need no escaping."""
    return "[" + ",".join([f'"{id_}"' for id_ in ids]) + "]"


def _instant(at: datetime) -> str:
    return f'"{instant(at)}"'


def _amount(amount: Decimal) -> str:
    return f'"{text_of(amount)}"'


def _or_null(number: int | None) -> int | str:
    return "null" if number is None else number


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value).decode()
