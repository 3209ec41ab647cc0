"""A customer as the program sees them now: what is stored, and what time has ended since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import asyncpg

from services.adapters.postgres import groups
from services.adapters.postgres.accounts import stored_account
from services.adapters.postgres.queries import queries
from services.api.edge.call import Call
from services.api.edge.problems import not_found
from services.api.gameball_v4.programs import KnownProgram, program_at
from services.domain.arrival import LockedCustomer
from services.domain.campaigns import ANY_NUMBER, Campaign, Standpoint, ineligible
from services.domain.course import Course
from services.domain.partner_program import PartnerProgram
from services.domain.points.earning import CardRules
from services.domain.redeeming import unusable, value_of_point
from services.domain.state import CustomerState
from services.domain.triggering import standpoint

_SQL = queries("customers", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer under the program. `course` begins no decision: it has ended what is over. `number` None: unknown."""

    customer_id: str
    number: int | None
    known: KnownProgram
    course: Course

    @property
    def program(self) -> PartnerProgram:
        """The rules that they are under."""
        return self.known.rules

    @property
    def sections(self) -> Mapping[str, Any]:
        """The same as it is stored."""
        return self.known.stored.sections

    @property
    def state(self) -> CustomerState:
        """What is known of the customer, as of now."""
        return self.course.state.now()

    @property
    def view(self) -> Standpoint:
        """From where campaigns are judged now."""
        return standpoint(self.course, self.course.at)

    @property
    def card(self) -> CardRules | None:
        """The card that is held; one that was deleted is nobody's."""
        return self.program.card_of(self.state.profile)

    @property
    def rate(self) -> tuple[Decimal, Decimal]:
        """So much money for so many points: by the card, where it says so, else what a point is worth."""
        return self.program.point_rate(self.card)

    def worth_of(self, amount: int) -> Decimal:
        """What so many points are worth, never rounded up."""
        return self.program.worth_of(amount, self.state.profile)


async def account_of(connection: asyncpg.Connection, call: Call, customer_id: str) -> Account:
    """Of somebody unknown: a new customer's."""
    offset = call.api.manner.clock_offset
    stored = await stored_account(connection, call.partner_id, customer_id, offset)
    known = await program_at(connection, call, stored.revision)
    return Account(
        customer_id=customer_id,
        number=stored.number,
        known=known,
        course=Course(known.rules, stored.state, at=stored.at, draws=()),
    )


async def known_account(connection: asyncpg.Connection, call: Call, customer_id: str) -> Account:
    """The account of a customer who is known. Raises Problem 404."""
    account = await account_of(connection, call, customer_id)
    if account.number is None:
        raise not_found("customerId")
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A customer for whom something is asked, and the program that they are under."""

    customer_id: str
    known: KnownProgram
    locked: LockedCustomer


async def asking(connection: asyncpg.Connection, call: Call, customer_id: str) -> Asking:
    """Locked until the commit, in one round trip. Raises Problem 404 of a customer who is not known, ClockApart.

    The program may change while another's lock is waited for: the commit confirms the revision.
    """
    manner = call.api.manner
    (row,) = await connection.fetch(
        _SQL["asking"], call.partner_id, customer_id, manner.clock_offset
    )
    if row["is_new"]:
        raise not_found("customerId")  # which rolls back, and nobody has become known
    manner.guard.check(row["now"])
    known = await program_at(connection, call, row["revision"])
    locked = LockedCustomer(number=row["customer_no"], at=row["last_at"])
    return Asking(customer_id=customer_id, known=known, locked=locked)


async def number_of(connection: asyncpg.Connection, call: Call, customer_id: str) -> int | None:
    """The number of a customer; None of nobody who is known."""
    number: int | None = await connection.fetchval(_SQL["number"], call.partner_id, customer_id)
    return number


def open_campaigns(account: Account) -> set[int]:
    """Ids of campaigns that this customer can achieve now."""
    view, progress = account.view, account.state.campaigns
    return {
        campaign.id
        for campaign in account.program.campaigns
        if ineligible(campaign, view, progress.of(campaign.id).achieved) is None
    }


def is_unlocked(account: Account, campaign: Campaign) -> bool:
    """Whether the customer's tier and tags would do, if it were on now and could be achieved ever again."""
    open_to_all = replace(
        campaign, is_active=True, starts_at=None, ends_at=None, max_achievement=ANY_NUMBER
    )
    return ineligible(open_to_all, account.view, 0) is None


async def usable_rules(connection: asyncpg.Connection, account: Account) -> set[int]:
    """Ids of redemption rules that this customer may use now, whatever their balance."""
    program, card = account.program, account.card
    if not program.redemption_is_active or (card is not None and not card.redemption_enabled):
        return set()
    course = await _among_groups(connection, account)
    return {
        rule.id
        for rule in program.redemption_rules.values()
        if unusable(course, rule, value_of_point(program, rule, card)) is None
        and course.refused(rule.terms) is None
    }


async def _among_groups(connection: asyncpg.Connection, account: Account) -> Course:
    """The account's course, told what groups of redemption rules have left, and how much of them the customer has."""
    program, state, at = account.program, account.state, account.course.at
    handles = {handle for id_ in program.redemption_rules for handle in program.groups_of_rule(id_)}
    stock = await groups.stock_of(
        connection, {(program.partner_id, handle): 1 for handle in handles}
    )
    held = {(account.number, handle) for handle in handles} if account.number is not None else set()
    of_groups = {
        row["handle"]: row["coupons"] for row in await groups.of_customers(connection, held)
    }
    state = replace(state, coupons=replace(state.coupons, of_groups=of_groups))
    return Course(program, state, at=at, draws=(), stock=stock)
