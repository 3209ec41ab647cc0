"""What each kind of event needs, in one table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from services.domain.campaigns import Campaign
from services.domain.coupons.codes import codes_from, display
from services.domain.events import (
    Birthday,
    CardHandedOver,
    Cause,
    CustomerDescribed,
    CustomerDid,
    Event,
    GameCompleted,
    OrderPlaced,
    OrderReversed,
    PointsBooked,
    PointsRedeemRequested,
    ReferralCompleted,
    Told,
    UndoRequested,
)
from services.domain.needs import Named, Needs, names, needs
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.program import CustomerLimits, Game, GameType, Program
from services.domain.referrals import ReferralRules
from services.domain.rewards import Reward
from services.domain.terms import Group, Terms, TermsType
from services.domain.tiers import Tier
from services.domain.triggers import Trigger

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
(CODE,) = codes_from(bytes(10))
MANY = Game(
    id=1,
    partner_id=5,
    version=1,
    is_active=True,
    allow_multiple_active_coupons=True,
    coupon_validity_days=7,
    starts_at=None,
    ends_at=None,
    reward_description="A coffee",
)
SINGLE = replace(MANY, id=2, allow_multiple_active_coupons=False)
LIMITED = replace(MANY, id=3, customer_limits=CustomerLimits(per_day=1), total_limit=100)
STAMPS = replace(SINGLE, id=4, game_type=GameType.STAMPS, total_limit=10)
FOREIGN = replace(STAMPS, id=6, partner_id=9)
PROGRAM = Program(games={game.id: game for game in (MANY, SINGLE, LIMITED, STAMPS, FOREIGN)})
CAUSE = Cause(source="/x", id="e-1", type="t")


def completed(game_id: int) -> GameCompleted:
    """A completion of that game."""
    return GameCompleted(
        cause=CAUSE, occurred_at=NOW, partner_id=5, game_id=game_id, customer_id="anna", won=True
    )


PLACED = OrderPlaced(
    cause=CAUSE,
    occurred_at=NOW,
    partner_id=5,
    order_id="o-1",
    customer_id="anna",
    shop_id=None,
    coupon_codes=(display(CODE), "no code"),
    product_ids=frozenset(),
)
REVERSED = OrderReversed(
    cause=CAUSE, occurred_at=NOW, partner_id=5, order_id="o-1", customer_id="anna"
)
WHO: dict[str, Any] = {"cause": CAUSE, "occurred_at": NOW, "partner_id": 5, "customer_id": "anna"}
REGISTERED = CustomerDescribed(**WHO, registers=True, told=Told(), referred_by="bert")
DID = CustomerDid(**WHO, name="visit", metadata={})
FRIEND = ReferralCompleted(**WHO, friend_id="carl")
BIRTHDAY = Birthday(**WHO, year=2026)
BOOKED = PointsBooked(**WHO, transaction_id="t-1", points=-5)
CARD = CardHandedOver(**WHO, card_id=3)
REDEEM = PointsRedeemRequested(**WHO, rule_id=4)
UNDO = UndoRequested(**WHO, coupon_id="c-1")
COUPON = Reward(coupons=(Terms(type=TermsType.CUSTOM),))
UNDER_PROGRAM = replace(
    PROGRAM,
    partners={
        5: PartnerProgram(
            partner_id=5,
            version=1,
            tiers=(Tier(id=1, name="one", order=1, min_progress=Decimal(0), entry=COUPON),),
            campaigns=(
                Campaign(
                    id=1,
                    type="EventBased",
                    name="Visits",
                    trigger=Trigger(event_name="visit"),
                    reward=COUPON,
                ),
            ),
            referrals=ReferralRules(
                trigger=Trigger(event_name="visit"), friend=COUPON, customer=COUPON, extra=COUPON
            ),
        )
    },
)
TABLE: list[tuple[str, Event, Needs]] = [
    ("many coupons", completed(1), Needs(draws=1)),
    ("single rule", completed(2), Needs(draws=1, looks_at=(SINGLE,))),
    ("limits", completed(3), Needs(draws=1, looks_at=(LIMITED,), limited=(3,))),
    ("unknown game", completed(77), Needs(draws=1)),
    ("another partner's game", completed(6), Needs(draws=1)),
    (
        "order",
        PLACED,
        Needs(draws=1, looks_at=(STAMPS,), limited=(4,), order_id="o-1", codes=(CODE,)),
    ),
    ("reversal", REVERSED, Needs(order_id="o-1", gives_back=True, takes_points=True)),
    ("registration", REGISTERED, Needs(account=True, referrer="bert")),
    ("visit", DID, Needs()),
    ("friend's", FRIEND, Needs()),
    ("birthday", BIRTHDAY, Needs()),
    ("booking", BOOKED, Needs(account=True, takes_points=True)),
    ("card", CARD, Needs(account=True, takes_points=True)),
    ("redemption", REDEEM, Needs(draws=1, account=True, takes_points=True)),
    ("undo", UNDO, Needs(account=True, takes_points=True, coupon_id="c-1")),
]


@pytest.mark.parametrize(
    ("event", "expected"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_needs_of_an_event_are_exactly_these(event: Event, expected: Needs) -> None:
    """Neither more, which would cost a look-up, nor less, which would be decided upon nothing."""
    assert needs(event, PROGRAM) == expected


@pytest.mark.parametrize(
    ("event", "draws"),
    [
        (completed(1), 1 + 2),
        (PLACED, 1 + 2),
        (REVERSED, 2),
        (DID, 3),
        (FRIEND, 3),
        (BIRTHDAY, 2),
        (REDEEM, 1 + 3),
        (UNDO, 3),
    ],
)
def test_under_a_program_the_account_is_needed_and_draws_for_every_coupon(
    event: Event, draws: int
) -> None:
    """Of each tier, of the campaigns on such an event, and of the referral."""
    found = needs(event, UNDER_PROGRAM)
    assert (found.account, found.draws) == (True, draws)


GROUPED = Reward(coupons=(Terms(type=TermsType.CUSTOM, group="club"), Terms(type=TermsType.CUSTOM, group="gone")))  # fmt: skip
UNDER_GROUPS = replace(
    UNDER_PROGRAM,
    partners={
        5: replace(
            UNDER_PROGRAM.partners[5],
            groups={handle: Group(handle=handle) for handle in ("club", "spa")},
            referrals=ReferralRules(
                trigger=Trigger(event_name="visit"), customer=GROUPED, extra=GROUPED
            ),
            redemption_rules={
                id_: RedemptionRule(id=id_, terms=Terms(type=TermsType.CUSTOM, group=handle))
                for id_, handle in ((1, "spa"), (2, "gone"), (3, None))
            },
        )
    },
)


def test_groups_that_an_event_may_earn_of_are_those_there_are() -> None:
    """One for each coupon: of a completed referral two; a handle that no group has is none, of rewards and of rules."""
    assert needs(FRIEND, UNDER_GROUPS).groups == ("club", "club")
    assert needs(DID, UNDER_GROUPS).groups == ()
    program = UNDER_GROUPS.partners[5]
    assert [program.groups_of_rule(id_) for id_ in (1, 2, 3, 4)] == [("spa",), (), (), ()]


def test_codes_of_an_order_are_asked_for_both_ways_under_a_program() -> None:
    """As they are written, since the partner may have brought one, and as they read; without a program only so."""
    found = needs(PLACED, UNDER_PROGRAM)
    assert (found.codes, found.external_codes) == ((CODE,), (display(CODE), "no code"))
    assert needs(PLACED, PROGRAM).external_codes == ()


@pytest.mark.parametrize(
    ("event", "expected"),
    [(completed(2), Named(game_id=2)), (PLACED, Named(stamps_of=5)), (REVERSED, Named())],
    ids=["completion", "order", "reversal"],
)
def test_event_names_its_rules_before_any_is_loaded(event: Event, expected: Named) -> None:
    """A completion its game, an order its partner's stamp games; a reversal asks for what its coupons say."""
    assert names(event) == expected


def test_every_kind_of_event_stands_in_the_table() -> None:
    """A new kind of event needs a row."""
    assert {type(event) for _, event, _ in TABLE} == set(get_args(Event))
