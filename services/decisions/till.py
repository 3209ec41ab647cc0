"""What a coupon's terms say at a till: what they ask about is loaded, and nothing of most coupons.

The account and the program are read of a coupon that serves in some tiers only, the program's currency of one whose
terms name none. Whoever redeems has locked the owner; who only asks is told how it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from services.adapters.postgres import rules
from services.adapters.postgres.accounts import stored_account
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import currency_of
from services.decisions.recording import NO_RULES
from services.domain.arrival import CustomerKey
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.discounts import TermsReason, serves
from services.domain.coupons.till import TillAnswer, asks_currency, asks_tier, at_till
from services.domain.exact import minor_digits
from services.domain.partner_program import PartnerProgram
from services.domain.program import Program
from services.domain.tiers import progress_by, tier_at
from services.domain.unjudged import Unjudgeable


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The answer, and the rules that gave it: to be confirmed by who records what follows from it."""

    answer: TillAnswer | TermsReason
    rules: Program = NO_RULES


def judge_at_once(coupon: Coupon, total: Decimal | None) -> TillAnswer | TermsReason | None:
    """The answer where nothing need be loaded for it; None where something must."""
    if asks_tier(coupon) or asks_currency(coupon, total):
        return None
    return at_till(coupon, total, minor_digits(coupon.terms.currency if coupon.terms else None))


async def judge(
    connection: Connection,
    coupon: Coupon,
    total: Decimal | None,
    owner: CustomerKey,
    clock_offset: timedelta,
) -> Judged:
    """What this coupon of that customer is worth at a till now. Raises Unjudgeable."""
    at_once = judge_at_once(coupon, total)
    if at_once is not None:
        return Judged(answer=at_once)
    assert coupon.terms is not None
    partner_id, customer_id = owner
    currency = coupon.terms.currency
    if asks_currency(coupon, total):
        currency = await currency_of(connection, partner_id)
    places = minor_digits(currency)
    if not asks_tier(coupon):
        return Judged(answer=at_till(coupon, total, places))
    program = await _program_of(connection, partner_id)
    account = await stored_account(connection, partner_id, customer_id, clock_offset)
    progress = progress_by(program.tier_method, account.state.wallet)
    has_tier = serves(coupon, tier_at(program.tiers, progress), program)
    return Judged(
        answer=at_till(coupon, total, places, has_tier=has_tier),
        rules=Program(partners={partner_id: program}),
    )


async def _program_of(connection: Connection, partner_id: int) -> PartnerProgram:
    programs, unread = await rules.load_programs(connection, [partner_id])
    if unread:
        raise Unjudgeable(games=unread.values())
    return programs[partner_id]
