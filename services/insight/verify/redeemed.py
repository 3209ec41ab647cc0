"""P8: points that were spent on a coupon bought one, for what its rule costs, of what its rule gives.

From the entries: each names its rule, and its decision the version that has it. That a coupon which was bought has its
entry is asked where every coupon's cause is (`accounted`), and what undoing gives back as accounts pass (`undone`).
Which card was held then nobody keeps, so of the default rule one rate must fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import asyncpg
import orjson

from services.adapters.postgres.coupon_terms import terms_from
from services.adapters.postgres.queries import queries
from services.domain.exact import ONE, minor_digits
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.points.earning import worth
from services.domain.terms import Terms, TermsType
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.scan import Rank, Scan, account
from services.insight.verify.versions import Versions

_SQL = queries("redeemed", __package__)


async def check(scan: Scan) -> None:
    """Page by page of what was spent."""
    versions = Versions(scan)
    async for after, up_to in scan.pages("end_of_spendings", LOWEST, HIGHEST):
        rows = await scan.connection.fetch(_SQL["spendings"], after, up_to)
        for row in rows:
            program = await versions.at(row["partner_id"], row["program_version"])
            if fault := _fault(row, program):
                about = [account(row["customer_no"]), row["event_key"]]
                about += [row["coupon_id"]] if row["coupon_id"] else []
                words = f"entry {row['number']} of customer number {row['customer_no']} {fault}"
                scan.echoed(Rank.OF_THE_RECORD, "P8", words, *about)
        scan.looked_at(len(rows), "P8")


def _fault(row: asyncpg.Record, program: PartnerProgram | None) -> str | None:
    """What is wrong with what was bought; None if nothing is, or nobody can read the rules of then."""
    if row["coupon_id"] is None:
        return "spent points on a coupon, and its decision issued none for them"
    if program is None:
        return None
    rule = _rule(program, row["source_id"])
    if rule is None:
        return (
            f"names redemption rule {row['source_id']!r}, which version {program.version} has not"
        )
    cost = -row["points"]
    if not rule.is_default and (rule.points != cost if rule.points is not None else row["balance"]):
        costs = "all there is" if rule.points is None else rule.points
        return f"spent {cost} points by rule {rule.id}, which costs {costs} by version {program.version}"
    if terms_from(orjson.loads(row["terms"])) not in _given(program, rule, cost):
        return f"bought a coupon for {cost} points by rule {rule.id}, which gives another by version {program.version}"
    return None


def _rule(program: PartnerProgram, id_: str) -> RedemptionRule | None:
    found = (rule for rule in program.redemption_rules.values() if str(rule.id) == id_)
    return next(found, None)


def _given(program: PartnerProgram, rule: RedemptionRule, cost: int) -> Iterator[Terms]:
    """What so many points may give."""
    if not rule.is_general:
        yield rule.terms
        return
    for money, per in _rates(program, rule):
        value = worth(cost, money, minor_digits(program.currency), per=per)
        yield replace(rule.terms, type=TermsType.FIXED, value=value, currency=program.currency)


def _rates(program: PartnerProgram, rule: RedemptionRule) -> Iterator[tuple[Decimal, Decimal]]:
    """So much money for so many points."""
    if not rule.is_default:
        yield rule.value_of_point or program.value_of_point, ONE
        return
    for card in (None, *program.cards.values()):
        yield program.point_rate(card)
