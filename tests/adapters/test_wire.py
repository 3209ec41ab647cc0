"""What leaves the house: every value is JSON that equals the published model of its event."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import fields
from schemas.events.coupon_issued import CouponIssued
from schemas.events.coupon_lifecycle import CouponLifecycle
from schemas.events.issuance_declined import IssuanceDeclined
from schemas.events.program_events import ProgramEvent, WebhookDisabled
from schemas.generate import MODELS
from schemas.topics import ALL, OUTGOING
from services.adapters import wire
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import DeclineIssuance, DeclineReason, IssueCoupon
from services.domain.events import Cause
from services.domain.program import Game

AT = datetime(2026, 5, 1, 9, 30, 0, 412345, tzinfo=UTC)
COUPON = "0198c0de-7a3b-7c11-8e57-3f0a5b9d2c41"
CODE = "7H2K9QWXM4TB0Z5N"
CAUSE = Cause(source="/games/wheel", id="e-1", type="game.completed")
GAME = Game(
    id=22,
    partner_id=1,
    version=3,
    is_active=True,
    allow_multiple_active_coupons=False,
    coupon_validity_days=7,
    starts_at=None,
    ends_at=None,
    reward_description='A "free" coffee\\ – nemokamai',
    product_ids=(7, 8),
    code_prefix="CAFE",
)


def issue_of(game: Game, issued_at: datetime = AT) -> IssueCoupon:
    days = game.coupon_validity_days
    return IssueCoupon(
        coupon_id=COUPON,
        code=CODE,
        code_prefix=game.code_prefix,
        game_id=game.id,
        issued_at=issued_at,
        expires_at=None if days is None else issued_at + timedelta(days=days),
        allow_multiple_active_coupons=game.allow_multiple_active_coupons,
        coupon_validity_days=days,
        rule_version=game.version,
    )


def rule_of(game: Game) -> fields.Rule:
    return fields.Rule(
        allow_multiple_active_coupons=game.allow_multiple_active_coupons,
        coupon_validity_days=game.coupon_validity_days,
        version=game.version,
    )


def cause_of(cause: Cause) -> fields.Cause:
    return fields.Cause(source=cause.source, id=cause.id, type=cause.type)


def check(value: str, model: fields.Outgoing, *, without_nulls_from: str | None = None) -> None:
    """`value` reads as `model` and says exactly what `model` would say, in the same order."""
    assert type(model).model_validate_json(value) == model
    expected: dict[str, Any] = model.model_dump(mode="json")
    if expected.get("internal_code", "") is None:
        del expected["internal_code"]
    if without_nulls_from is not None:
        names = list(expected)
        for name in names[names.index(without_nulls_from) :]:
            if expected[name] is None:
                del expected[name]
    assert list(json.loads(value).items()) == list(expected.items())


# Everything but lone surrogates may stand in a text of ours.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
STORABLE = TEXT.filter(lambda text: "\0" not in text)
INSTANTS = st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000)).map(
    lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since
)
GAMES = st.builds(
    replace,
    st.just(GAME),
    id=st.integers(1, 3),
    version=st.integers(1, 2),
    allow_multiple_active_coupons=st.booleans(),
    coupon_validity_days=st.none() | st.integers(1, 3650),
    reward_description=TEXT,
    product_ids=st.lists(st.integers(1, 2**63 - 1), max_size=3).map(tuple),
    code_prefix=st.sampled_from(["", "A", "SUMMER2026XX"]),
)
CAUSES = st.builds(Cause, source=TEXT, id=TEXT, type=TEXT)


@given(game=GAMES, customer_id=STORABLE, cause=CAUSES, at=INSTANTS, masked=st.booleans())
def test_issued_value_equals_the_model(
    game: Game, customer_id: str, cause: Cause, at: datetime, masked: bool
) -> None:
    """Whatever the texts, whichever game was encoded before under the same id and version."""
    issue = issue_of(game, at)
    model = CouponIssued(
        coupon_id=UUID(COUPON),
        code=wire.shown_code(CODE, game.code_prefix, masked),
        code_status="final",
        partner_id=game.partner_id,
        game_id=game.id,
        customer_id=customer_id,
        source=fields.Source(kind="game", id=str(game.id)),
        program_version=None,
        terms=None,
        reward_description=game.reward_description,
        product_ids=game.product_ids,
        issued_at=at,
        expires_at=issue.expires_at,
        is_unlimited=game.coupon_validity_days is None,
        rule=rule_of(game),
        cause=cause_of(cause),
    )
    check(wire.issued_value(issue, game, customer_id, cause, mask_codes=masked), model)


@given(
    game=st.none() | GAMES,
    customer_id=STORABLE,
    cause=CAUSES,
    at=INSTANTS,
    reason=st.sampled_from(DeclineReason),
    blocking=st.sampled_from([None, COUPON]),
)
def test_declined_value_equals_the_model(
    game: Game | None,
    customer_id: str,
    cause: Cause,
    at: datetime,
    reason: DeclineReason,
    blocking: str | None,
) -> None:
    """With and without a game, for every reason."""
    model = IssuanceDeclined(
        partner_id=5,
        game_id=22,
        customer_id=customer_id,
        reason=reason.value,
        blocking_coupon_id=UUID(blocking) if blocking else None,
        cause=cause_of(cause),
        decided_at=at,
        rule=rule_of(game) if game else None,
    )
    decline = DeclineIssuance(game_id=22, reason=reason, blocking_coupon_id=blocking)
    check(wire.declined_value(decline, game, 5, customer_id, cause, at), model)


@given(
    customer_id=STORABLE,
    cause=st.none() | CAUSES,
    at=INSTANTS,
    status=st.sampled_from(CouponStatus),
    order_id=st.none() | STORABLE,
    shop_id=st.none() | st.integers(1, 2**63 - 1),
    reason=st.none() | TEXT,
    reserved_until=st.none() | INSTANTS,
    expires_at=st.none() | INSTANTS,
    masked=st.booleans(),
)
def test_lifecycle_value_equals_the_model(
    customer_id: str,
    cause: Cause | None,
    at: datetime,
    status: CouponStatus,
    order_id: str | None,
    shop_id: int | None,
    reason: str | None,
    reserved_until: datetime | None,
    expires_at: datetime | None,
    masked: bool,
) -> None:
    """What a step has nothing to say about is left out; `cause` never is."""
    model = CouponLifecycle(
        coupon_id=UUID(COUPON),
        code=wire.shown_code(CODE, "CAFE", masked),
        code_status="final",
        partner_id=1,
        game_id=22,
        customer_id=customer_id,
        source=fields.Source(kind="game", id="22"),
        program_version=None,
        terms=None,
        status=status.value,
        at=at,
        cause=cause_of(cause) if cause else None,
        reason=reason,
        order_id=order_id,
        shop_id=shop_id,
        reserved_until=reserved_until,
        expires_at=expires_at,
    )
    coupon = Coupon(
        id=COUPON,
        code=CODE,
        code_prefix="CAFE",
        game_id=22,
        status=status,
        issued_at=AT,
        expires_at=expires_at,
        holds_single_place=False,
        reserved_until=reserved_until,
    )
    value = wire.lifecycle_value(
        coupon,
        partner_id=1,
        customer_id=customer_id,
        at=at,
        cause=cause,
        reason=reason,
        mask_codes=masked,
        order_id=order_id,
        shop_id=shop_id,
    )
    check(value, model, without_nulls_from="order_id")


def test_every_value_has_its_model() -> None:
    """Each event that leaves is written here by its model; each value that is written by hand is held against one."""
    models = {
        MODELS[message.schema]
        for topic in ALL
        if topic.name in OUTGOING
        for message in topic.messages
        if message.type is not None
    }
    of_program = {model for model in models if issubclass(model, ProgramEvent | WebhookDisabled)}
    assert models - of_program == {CouponIssued, CouponLifecycle, IssuanceDeclined}
    tested = {name.removeprefix("test_").removesuffix("_equals_the_model") for name in globals()}
    parts = {"cause_value", "codes_value", "source_value", "terms_value"}
    assert {name for name in vars(wire) if name.endswith("_value")} - parts <= tested


@pytest.mark.parametrize(
    ("prefix", "masked", "expected"),
    [
        ("", False, "7H2K-9QWX-M4TB-0Z5N"),
        ("CAFE", False, "CAFE-7H2K-9QWX-M4TB-0Z5N"),
        ("", True, "****-****-****-0Z5N"),
        ("CAFE", True, "CAFE-****-****-****-0Z5N"),
    ],
)
def test_code_is_shown(prefix: str, masked: bool, expected: str) -> None:
    """In groups, after the game's prefix; masked, only prefix and last group are left."""
    assert wire.shown_code(CODE, prefix, masked) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AT, "2026-05-01T09:30:00.412345Z"),
        (datetime(2026, 5, 1, tzinfo=UTC), "2026-05-01T00:00:00.000000Z"),
        (AT.astimezone(timezone(timedelta(hours=3))), "2026-05-01T09:30:00.412345Z"),
        (datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), "1969-12-31T23:59:59.000001Z"),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_instant_is_utc_with_microseconds(at: datetime, expected: str) -> None:
    """Always the same 27 characters' shape, so that instants also sort as text."""
    assert wire.instant(at) == expected


def test_instant_needs_a_zone() -> None:
    """A naive datetime is a bug, not a local time."""
    with pytest.raises(TypeError):
        wire.instant(AT.replace(tzinfo=None))


def test_issued_value_refuses_another_version() -> None:
    """A coupon is described by the rule it was issued under or not at all."""
    with pytest.raises(ValueError, match="issued under version 3 of game 22, not 4"):
        wire.issued_value(issue_of(GAME), replace(GAME, version=4), "c", CAUSE)


def test_code_of_the_partner_stands_before_ours() -> None:
    """Where the partner brought a code, that is what is shown; ours is told beside it, and both are masked alike."""
    shown = wire.codes_value(CODE, "CAFE", "Übung-7", False)
    assert shown == {"code": "Übung-7", "internal_code": "CAFE-7H2K-9QWX-M4TB-0Z5N"}
    masked = wire.codes_value(CODE, "CAFE", "Übung-7", True)
    assert masked == {"code": "****g-7", "internal_code": "CAFE-****-****-****-0Z5N"}
    assert wire.codes_value(CODE, "", "x", True)["code"] == "****"
    assert wire.codes_value(CODE, "", None, False) == {"code": "7H2K-9QWX-M4TB-0Z5N"}
