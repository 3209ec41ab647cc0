"""Whatever the program does, what is told of it has the published shape: held against the generated schemas themselves."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import fields as wire_fields
from schemas.generate import GENERATED
from services.adapters import program_wire, wire
from services.adapters.program_wire import About
from services.domain.campaigns import Achieve, Revoke
from services.domain.coupons import held
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import DeclineReward, GrantCoupon, GrantRefusal
from services.domain.events import Cause
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import EntryKind, Lot, Post
from services.domain.referrals import RewardReferral, Role
from services.domain.terms import CombinesWith, Terms, TermsType
from services.domain.tiers import ChangeTier, TierMethod, TierRef

COUPON = "0198c0de-7a3b-7c11-8e57-3f0a5b9d2c41"
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
IDS = st.integers(1, 2**63 - 1)
POINTS = st.integers(1, 10**12)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=36_500)).map(
    lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since
)
AMOUNTS = st.builds(
    lambda units, places: Decimal(units).scaleb(-places), st.integers(0, 10**18), st.integers(-3, 8)
)
MAYBE = st.none() | AMOUNTS
SOURCES = st.builds(Source, st.sampled_from(SourceKind), TEXT)
CAUSES = st.builds(Cause, source=TEXT, id=TEXT, type=TEXT)
ABOUT = st.builds(
    About,
    partner_id=IDS,
    customer_id=TEXT,
    at=INSTANTS,
    program_version=st.none() | st.integers(1, 2**31),
    cause=st.none() | CAUSES,
)
COUPON_IDS = st.lists(st.just(COUPON), max_size=3).map(tuple)
OUTSIDE_IDS = st.lists(
    st.one_of(TEXT, IDS.map(str), st.sampled_from(["0", "007", "٣", "1.0", "9" * 19, "9" * 40])),
    max_size=4,
).map(tuple)
TERMS = st.builds(
    Terms,
    type=st.sampled_from(TermsType),
    value=MAYBE,
    currency=st.none() | st.just("EUR"),
    min_order_value=MAYBE,
    capping=MAYBE,
    usage_limit=st.integers(1, 10**6),
    combines_with=st.none()
    | st.builds(CombinesWith, order=st.booleans(), product=st.booleans(), shipping=st.booleans()),
    product_ids=OUTSIDE_IDS,
    collection_ids=OUTSIDE_IDS,
    platforms=st.lists(TEXT, max_size=2).map(tuple),
    group=st.none() | TEXT,
    code_prefix=st.sampled_from(["", "SUMMER2026XX"]),
)
GRANTS = st.builds(
    GrantCoupon,
    coupon_id=st.just(COUPON),
    code=st.just("7H2K9QWXM4TB0Z5N"),
    code_prefix=st.sampled_from(["", "SUMMER2026XX"]),
    source=SOURCES,
    terms=TERMS,
    issued_at=INSTANTS,
    expires_at=st.none() | INSTANTS,
    program_version=st.integers(1, 2**31),
)
TIERS = st.none() | st.builds(TierRef, id=IDS, order=st.integers(1, 1_000), name=TEXT)


@cache
def _schema(name: str) -> Any:
    text = (GENERATED / f"{name}.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(json.loads(text), validate_formats=True)


def check(name: str, value: str) -> dict[str, Any]:
    """The data, which are of that schema and say no more than it names."""
    said: dict[str, Any] = json.loads(value)
    _schema(name).validate(said)
    model = json.loads((GENERATED / f"{name}.json").read_text(encoding="utf-8"))
    assert said.keys() <= model["properties"].keys()
    return said


def check_common(said: dict[str, Any], about: About) -> None:
    """What every event of the program says."""
    assert (said["partner_id"], said["customer_id"]) == (about.partner_id, about.customer_id)
    assert said["at"] == wire.instant(about.at)
    assert said["program_version"] == about.program_version
    cause = about.cause
    assert said["cause"] == (
        None if cause is None else {"source": cause.source, "id": cause.id, "type": cause.type}
    )


def amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@given(
    about=ABOUT,
    kind=st.sampled_from(EntryKind),
    source=SOURCES,
    points=POINTS,
    balance=st.integers(0, 10**12),
    order_id=st.none() | TEXT,
    base_points=MAYBE,
    factor=MAYBE,
    ends=st.none() | INSTANTS,
)
def test_points_have_their_shape(
    about: About,
    kind: EntryKind,
    source: Source,
    points: int,
    balance: int,
    order_id: str | None,
    base_points: Decimal | None,
    factor: Decimal | None,
    ends: datetime | None,
) -> None:
    """Of each kind, whichever way points went: above 0, and no amount loses a digit."""
    comes_in = kind in {EntryKind.EARNED, EntryKind.RESTORED}
    lot = Lot(
        number=4, source=source, earned_at=about.at, expires_at=ends, amount=points, left=points
    )
    entry = Post(
        number=4,
        kind=kind,
        source=source,
        at=about.at,
        balance=balance,
        points=points if comes_in else -points,
        opens=lot if kind is EntryKind.EARNED else None,
        order_id=order_id,
        base_points=base_points,
        factor=factor,
    )
    said = check("points.entry", program_wire.points_value(entry, "k.1", about))
    check_common(said, about)
    assert (said["entry_id"], said["points"], said["balance"]) == ("k.1", points, balance)
    assert said["source"] == {"kind": source.kind, "id": source.id}
    assert said["expires_at"] == (
        wire.instant(ends) if ends is not None and kind is EntryKind.EARNED else None
    )
    assert said["order_id"] == order_id
    assert (amount(said["base_points"]), amount(said["factor"])) == (base_points, factor)


@given(about=ABOUT, before=TIERS, after=TIERS, method=st.sampled_from(TierMethod), progress=AMOUNTS)
def test_change_of_tier_has_its_shape(
    about: About,
    before: TierRef | None,
    after: TierRef | None,
    method: TierMethod,
    progress: Decimal,
) -> None:
    """From and to as they were called, and exact progress by the method."""
    change = ChangeTier(before=before, after=after, method=method, progress=progress)
    said = check("tier.changed", program_wire.tier_changed_value(change, about))
    check_common(said, about)
    for name, tier in (("from", before), ("to", after)):
        told = None if tier is None else {"id": tier.id, "order": tier.order, "name": tier.name}
        assert said[name] == told
    assert (said["method"], amount(said["progress"])) == (method, progress)
    assert said["source"]["kind"] == "tier"


@given(
    about=ABOUT,
    campaign_id=IDS,
    achievement=st.integers(1, 10**6),
    type_=TEXT,
    points=st.integers(0, 10**12),
    score=st.integers(0, 10**12),
    coupon_ids=COUPON_IDS,
    role=st.sampled_from(Role),
    friend_id=TEXT,
    referrals=st.none() | st.integers(1, 10**9),
    extra=st.booleans(),
)
def test_rewards_have_their_shapes(
    about: About,
    campaign_id: int,
    achievement: int,
    type_: str,
    points: int,
    score: int,
    coupon_ids: tuple[str, ...],
    role: Role,
    friend_id: str,
    referrals: int | None,
    extra: bool,
) -> None:
    """An achievement, one that counts no more, and what a referral brings; each field is what the effect says."""
    granted: dict[str, Any] = {"points": points, "score": score, "coupon_ids": coupon_ids}
    achieved = Achieve(
        campaign_id=campaign_id, campaign_type=type_, achievement=achievement, **granted
    )
    revoked = Revoke(campaign_id=campaign_id, achievement=achievement)
    rewarded = RewardReferral(
        role=role, friend_id=friend_id, referrals=referrals, extra=extra, **granted
    )
    of_campaign = {"kind": "campaign", "id": str(campaign_id)}
    for effect, name, value, source in (
        (achieved, "campaign.achieved", program_wire.campaign_achieved_value(achieved, about), of_campaign),
        (revoked, "campaign.revoked", program_wire.campaign_revoked_value(revoked, about), of_campaign),
        (
            rewarded, "referral.rewarded", program_wire.referral_rewarded_value(rewarded, about),
            {"kind": "referral", "id": friend_id},
        ),
    ):  # fmt: skip
        said = check(name, value)
        check_common(said, about)
        assert said["source"] == source
        told = {
            one.name: getattr(effect, one.name) for one in fields(effect) if one.name != "entry"
        }
        if "coupon_ids" in told:
            told["coupon_ids"] = list(coupon_ids)
        assert said.items() >= told.items()


@given(
    about=ABOUT,
    source=SOURCES,
    points=POINTS,
    ends=INSTANTS,
    reason=st.sampled_from(GrantRefusal),
    rule_id=st.none() | IDS,
)
def test_notices_and_refusals_have_their_shapes(
    about: About,
    source: Source,
    points: int,
    ends: datetime,
    reason: GrantRefusal,
    rule_id: int | None,
) -> None:
    """For every reason, and of any source."""
    value = program_wire.points_expiring_value(points, ends, source, about)
    said = check("points.expiring", value)
    check_common(said, about)
    assert (said["points"], said["expires_at"]) == (points, wire.instant(ends))
    declined = DeclineReward(source=source, reason=reason, rule_id=rule_id)
    said = check("reward.declined", program_wire.reward_declined_value(declined, about))
    check_common(said, about)
    assert (said["reason"], said["rule_id"]) == (reason, rule_id)
    assert said["source"] == {"kind": source.kind, "id": source.id}


@given(grant=GRANTS, customer_id=TEXT, partner_id=IDS, cause=CAUSES, masked=st.booleans())
def test_coupon_with_terms_has_the_shape_of_every_coupon(
    grant: GrantCoupon, customer_id: str, partner_id: int, cause: Cause, masked: bool
) -> None:
    """Old fields as they can be: no game, no rule, of product ids those that are numbers of ours; all amounts are texts."""
    value = program_wire.granted_value(grant, partner_id, customer_id, cause, mask_codes=masked)
    said = check("coupon.issued", value)
    assert (said["game_id"], said["rule"], said["reward_description"]) == (None, None, None)
    assert said["product_ids"] == [
        int(text)
        for text in grant.terms.product_ids
        if text.isascii() and text.isdecimal() and text[0] != "0" and int(text) < 2**63
    ]
    assert said["is_unlimited"] is (said["expires_at"] is None) is (grant.expires_at is None)
    assert said["program_version"] == grant.program_version
    assert ("*" in said["code"]) is masked
    terms = grant.terms
    told = said["terms"]
    assert told["used_count"] == 0
    for name in ("value", "min_order_value", "capping"):
        assert amount(told[name]) == getattr(terms, name)
    for name in ("product_ids", "collection_ids", "platforms"):
        assert told[name] == list(getattr(terms, name))
    assert (told["type"], told["usage_limit"], told["group"]) == (
        terms.type, terms.usage_limit, terms.group,
    )  # fmt: skip
    assert set(told) == set(wire_fields.Terms.model_fields)


@given(
    grant=GRANTS,
    customer_id=TEXT,
    cause=st.none() | CAUSES,
    status=st.sampled_from(CouponStatus),
    used=st.integers(0, 10**6),
    reason=st.none() | TEXT,
)
def test_step_of_a_coupon_with_terms_has_the_shape_of_every_step(
    grant: GrantCoupon,
    customer_id: str,
    cause: Cause | None,
    status: CouponStatus,
    used: int,
    reason: str | None,
) -> None:
    """It says how often it has been used by now, and why the step was taken if anybody knows."""
    issued = held.granted(grant)
    names = {one.name for one in fields(Coupon)}
    coupon = Coupon(
        **{name: getattr(issued, name) for name in names} | {"status": status, "used_count": used}
    )
    value = wire.lifecycle_value(
        coupon,
        partner_id=1,
        customer_id=customer_id,
        at=grant.issued_at,
        cause=cause,
        reason=reason,
    )
    said = check("coupon.lifecycle", value)
    assert (said["game_id"], said["status"], said["reason"]) == (None, status, reason)
    assert (said["terms"]["used_count"], said["program_version"]) == (used, grant.program_version)
    assert said["source"] == {"kind": grant.source.kind, "id": grant.source.id}


@given(partner_id=IDS, anna=TEXT, bert=TEXT, year=st.integers(1, 9999))
def test_follow_ups_have_their_shapes(partner_id: int, anna: str, bert: str, year: int) -> None:
    """What the relay writes is what the issuer reads."""
    said = check(
        "referral.completed", program_wire.referral_completed_value(partner_id, anna, bert)
    )
    assert said == {"partner_id": partner_id, "customer_id": anna, "friend_id": bert}
    said = check("customer.birthday", program_wire.birthday_value(partner_id, anna, year))
    assert said == {"partner_id": partner_id, "customer_id": anna, "year": year}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("points.entry", {"points": 0}),
        ("points.entry", {"points": "10"}),
        ("points.entry", {"factor": 1.5}),
        ("points.entry", {"factor": "1E+1"}),
        ("points.entry", {"source": {"kind": "game-night", "id": "1"}}),
        ("tier.changed", {"progress": 9}),
    ],
)
def test_schema_refuses_what_is_not_so(name: str, wrong: dict[str, Any]) -> None:
    """Or the tests above would hold of anything."""
    (example,) = sorted((GENERATED.parent / "examples").glob(f"{name}.*.json"))[:1]
    good = json.loads(example.read_text(encoding="utf-8"))
    assert _schema(name).is_valid(good)
    assert not _schema(name).is_valid(good | wrong)
