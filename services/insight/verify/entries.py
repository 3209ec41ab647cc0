"""P2: an entry follows from its decision, and from the version of the program that this one names.

What kinds of events bring which entries stands in a table; points by rate are worked out again from what the order was
worth, by the rates of that version, of which one must fit: which card was held then, and at which shop, nobody keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

import asyncpg

from schemas.events import types
from services.decisions.accounts_by_hand import CARD_TYPE, POINTS_TYPE
from services.decisions.redemptions_by_hand import REDEEM_TYPE, UNDO_TYPE
from services.domain.exact import MOST, quotient
from services.domain.origins import SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.points.earning import Earned, Rates, earned_by
from services.domain.points.wallet import EntryKind, Wallet
from services.domain.tiers import progress_by, tier_at
from services.insight.verify.folded import Folded

_BY_HAND: Final = frozenset({SourceKind.MANUAL, SourceKind.REDEMPTION})
"""Points move by hand at version 0 too."""
_LEAST_FACTOR: Final = Decimal("0.000001")
"""Factors are kept to six places: the one that was taken may be so much larger."""

_REDEEM: Final = frozenset({types.POINTS_REDEEM_REQUESTED, REDEEM_TYPE})
_UNDO: Final = frozenset({types.POINTS_UNDO_REQUESTED, UNDO_TYPE})
_SET_OFF: Final = frozenset({SourceKind.CAMPAIGN, SourceKind.REFERRAL})
_EARN: Final[Mapping[str, frozenset[SourceKind]]] = {
    types.ORDER_PLACED: _SET_OFF | {SourceKind.ORDER},
    types.ORDER_CANCELLED: frozenset(),
    types.ORDER_REFUNDED: frozenset(),
    types.GAME_COMPLETED: _SET_OFF,
    types.CUSTOMER_CREATED: _SET_OFF | {SourceKind.CARD},
    types.CUSTOMER_UPDATED: frozenset(),
    types.CUSTOMER_EVENT: _SET_OFF | {SourceKind.CARD},
    types.REFERRAL_COMPLETED: frozenset({SourceKind.REFERRAL}),
    types.CUSTOMER_BIRTHDAY: _SET_OFF,
    POINTS_TYPE: frozenset({SourceKind.MANUAL}),
    CARD_TYPE: frozenset({SourceKind.CARD}),
    **dict.fromkeys(_REDEEM | _UNDO, frozenset()),
}
"""What events of a type can earn. Any may also reach a tier, end what is over, and pay a debt with what it earned."""
_TAKEN_BACK: Final = frozenset({SourceKind.ORDER, SourceKind.CAMPAIGN})
_TAKE_BACK: Final = frozenset({types.ORDER_PLACED, types.ORDER_CANCELLED, types.ORDER_REFUNDED})


def fault_of(row: asyncpg.Record, customer_no: int) -> str | None:
    """What is wrong with an entry and its decision, None if nothing is."""
    key, kind = row["event_key"], row["kind"]
    if key is None:
        return None if kind == EntryKind.EXPIRED else "names no decision, and only time's ends need none"  # fmt: skip
    if not row["is_decided"]:
        return f"names decision {key}, which is not there"
    if row["decided_for"] != customer_no:
        return f"names decision {key} of another customer"
    if kind == EntryKind.EXPIRED:
        return None
    if row["program_version"] is None and row["source_kind"] not in _BY_HAND:
        return "was earned by a program, and its decision knows of none"
    if row["at"] != row["decided_at"]:
        return f"takes effect at {row['at']}, and was decided at {row['decided_at']}"
    if _may_come_of(row):
        return None
    by = f"{row['source_kind']} {row['source_id']!r}"
    return f"is {kind} by {by}, and its decision made no such entry"


def _may_come_of(row: asyncpg.Record) -> bool:
    """Whether an event of this type, decided as it was, brings such an entry."""
    source, type_ = row["source_kind"], row["event_type"]
    earns = _EARN.get(type_)
    if earns is None:
        return True
    match row["kind"]:
        case EntryKind.EARNED:
            return (source in earns or source == SourceKind.TIER) and bool(row["is_named"])
        case EntryKind.SPENT:
            return (type_ in _REDEEM) if source == SourceKind.REDEMPTION else type_ == POINTS_TYPE
        case EntryKind.REVERSED if row["owed"] < 0:
            is_given_back = source == SourceKind.REDEMPTION and type_ in _UNDO
            return source in earns or source == SourceKind.TIER or is_given_back
        case EntryKind.REVERSED:
            is_of_order = bool(row["order_id"] == row["decided_order"])
            return is_of_order and type_ in _TAKE_BACK and source in _TAKEN_BACK
        case EntryKind.RESTORED:
            return source == SourceKind.REDEMPTION and type_ in _UNDO
        case _:
            return False


def rate_fault(row: asyncpg.Record, before: Folded, program: PartnerProgram) -> str | None:
    """What is wrong with what an order earned by rate, if this row says it; `before` it is the wallet."""
    is_by_rate = row["kind"] == EntryKind.EARNED and row["source_kind"] == SourceKind.ORDER
    if not is_by_rate or row["factor"] is None:
        return None
    wallet = before.wallet()
    most, most_score = min(MOST - wallet.balance, MOST - wallet.points_earned), MOST - wallet.score
    for rates in _rates(wallet, program):
        least = _earned(row, rates, row["factor"])
        points: int = row["points"]
        if least.base_points == row["base_points"] and row["score"] == min(least.score, most_score):
            if points == min(least.points, most):
                return None
            if points > least.points:
                greatest = _earned(row, rates, row["factor"] + _LEAST_FACTOR)
                if points <= min(greatest.points, most):
                    return None
    earned = f"earns {row['points']} of {row['spent']}"
    return f"{earned}, which no rate of version {program.version} gives"


def _rates(wallet: Wallet, program: PartnerProgram) -> Iterator[Rates]:
    """Those that may have been the customer's."""
    tier = tier_at(program.tiers, progress_by(program.tier_method, wallet))
    of_tier, default = program.cashback_in(tier), program.default_cashback
    yield Rates(of_tier=of_tier, default=default)
    for card in program.cards.values():
        yield Rates(of_tier=of_tier, card=replace(card, shop_ids=frozenset()), default=default)


def _earned(row: asyncpg.Record, rates: Rates, factor: Decimal) -> Earned:
    return earned_by(row["spent"], rates, shop_id=None, multiplier=quotient((factor,)))
