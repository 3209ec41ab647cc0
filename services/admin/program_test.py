"""`couponry program test`: what a list of events would earn under a program, in memory.

The program stands in a file, as `program load` reads it; no server is needed. Games and cards are in no program file,
so completions are declined and only the program's own rates apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from schemas.definitions import InvalidDefinition
from schemas.events.types import POINTS_REDEEM_REQUESTED
from schemas.gameball_v4.exact_json import write
from schemas.gameball_v4.files import COUPON, loaded
from schemas.gameball_v4.program import Sections, stored_of, with_ids
from services.adapters.postgres.programs import StoredProgram
from services.adapters.postgres.stored_program import program_from
from services.admin.program_codes import codes_in, opened
from services.admin.trial import Happened, Trial
from services.admin.trial_events import read_events
from services.domain.campaigns import Achieve
from services.domain.coupons.codes import shown
from services.domain.coupons.effects import DeclineReward, GrantCoupon
from services.domain.coupons.stock import GroupStock, PoolCode, Stock
from services.domain.exact import text_of
from services.domain.partner_program import PartnerProgram, RedemptionRule
from services.domain.points.wallet import Post
from services.domain.state import CustomerState
from services.domain.terms import Group, TermsType
from services.terminal.arguments import time_zone, utf8_text
from services.terminal.output import CommandError, json_option, print_table
from services.terminal.program_file import read_file, refused

EVENT_COLUMNS: Final = (
    "line", "type", "customer_id", "points", "score", "campaigns", "coupons", "tier", "outcome",
)  # fmt: skip
CUSTOMER_COLUMNS: Final = (
    "customer_id", "points", "worth", "owed", "score", "spent", "orders", "referrals", "tier", "coupons",
)  # fmt: skip

RULE_COLUMNS: Final = ("rule_id", "is_default", "is_active", "points", "coupon", "value")
GROUP_COLUMNS: Final = ("handle", "issued", "remaining")


@click.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--time-zone", type=time_zone, default="UTC", show_default=True, help="The partner's."
)
@click.option(
    "--codes",
    "code_files",
    type=(utf8_text, click.Path(path_type=Path)),
    metavar="HANDLE FILE",
    multiple=True,
    help="Codes that the group has to issue, as `program codes` reads them. Can be given for each group.",
)
@json_option
def test(
    file: Path,
    events: Path,
    time_zone: str,
    code_files: Sequence[tuple[str, Path]],
    as_json: bool,
) -> None:
    """What the EVENTS (JSON lines, - for stdin) would earn under the program in FILE: in memory, without a server.

    \b
    {"type": "customer.created", "time": "2026-03-01T09:00:00Z", "data": {"partner_id": 1, "customer_id": "anna"}}
    {"type": "order.placed", "time": "2026-03-01T09:05:00Z", "data": {"partner_id": 1, "customer_id": "anna",
     "order_id": "o-1", "currency": "EUR", "total": "25.99"}}                            (one line each)
    {"type": "points.redeem-requested", "time": "2026-03-02T09:00:00Z", "data": {"partner_id": 1, "customer_id": "anna",
     "rule_id": 1, "points": 20}}
    {"type": "points.undo-requested", "time": "2026-03-02T09:01:00Z", "data": {"partner_id": 1, "customer_id": "anna",
     "coupon_id": "0000-0000-0000-008G"}}

    The rules are those that issuers run. Referrals and birthdays follow by themselves, points end in time. Each event
    is shown with what it earned, then each customer with what they have in the end. Coupons' codes are the same at
    every run, so a later event can use one, or give it back for its points. Redemption rules without an id in FILE are
    numbered on from the highest one in it, the default rule last: with events that redeem points, they are shown too.

    Groups of coupons have issued nothing before, and their caps hold. One that was given codes issues these, in their
    order, until there are none; the codes of all others are made. What groups have left is shown in the end.
    """
    program = read_program(file, time_zone)
    trial = Trial(partner=program, stock=read_pools(code_files, program))
    rows = [
        _event_row(None if each.is_ours else number, each, program)
        for number, event in read_events(events, program.partner_id, trial.coupon_ids)
        for each in trial.happens(event)
    ]
    customers = [
        _customer_row(customer_id, trial.statement(customer_id), program)
        for customer_id in sorted(trial.customers)
    ]
    rules = [_rule_row(program.redemption_rules[id_]) for id_ in sorted(program.redemption_rules)]
    groups = [
        _group_row(program.groups[handle], trial.left_of(handle))
        for handle in sorted(program.groups)
    ]
    if as_json:
        print(write({"events": rows, "statements": customers, "rules": rules, "groups": groups}))
        return
    _print(EVENT_COLUMNS, rows)
    print()
    _print(CUSTOMER_COLUMNS, customers)
    if any(row["type"] == POINTS_REDEEM_REQUESTED for row in rows):
        print()
        _print(RULE_COLUMNS, rules)
    if groups:
        print()
        _print(GROUP_COLUMNS, groups)


def read_pools(code_files: Sequence[tuple[str, Path]], program: PartnerProgram) -> Stock:
    """What groups have to issue, by files of codes. Raises CommandError, one line: a partner has a code once."""
    pools: dict[str, list[PoolCode]] = {}
    known: set[str] = set()
    for handle, file in code_files:
        if handle not in program.groups:
            raise CommandError(f"--codes {handle}: the program has no such group")
        pool = pools.setdefault(handle, [])
        with opened(file) as stream:
            for code in codes_in(stream, str(file)):
                if code in known:
                    raise CommandError(f"{file}: {code} is there twice")
                known.add(code)
                pool.append(PoolCode(text=code))
    return {
        (program.partner_id, handle): GroupStock(codes=tuple(codes))
        for handle, codes in pools.items()
    }


def read_program(file: Path, zone: str) -> PartnerProgram:
    """The program of a file, as version 1 of a partner who had nothing. Raises CommandError, one line."""
    document = read_file(file)
    fresh = Sections(time_zone=zone)
    try:
        # Nobody is called, so a webhook that only keeps its secrets is as good as any.
        tried = {name: section for name, section in document.items() if name != COUPON}
        sections = with_ids(loaded(fresh, tried).sections, iter(range(1, 10**6)))
    except InvalidDefinition as invalid:
        raise refused(str(file), invalid) from None
    return program_from(
        StoredProgram(
            partner_id=document["partner_id"],
            version=1,
            revision=1,
            sections=stored_of(sections),
            cards="[]",
            time_zone=zone,
        )
    )


def _event_row(line: int | None, happened: Happened, program: PartnerProgram) -> dict[str, Any]:
    effects = happened.decision.effects
    posts = [effect for effect in effects if isinstance(effect, Post)]
    names = {campaign.id: campaign.name for campaign in program.campaigns}
    reasons: list[Any] = [
        code.reason for code in happened.decision.codes if code.reason is not None
    ]
    reasons += [effect.reason for effect in effects if isinstance(effect, DeclineReward)]
    why = happened.decision.reason or next(iter(reasons), None)
    return {
        "line": line,
        "type": happened.event.cause.type,
        "at": happened.decision.decided_at.isoformat().replace("+00:00", "Z"),
        "customer_id": happened.event.customer_id,
        "points": sum(post.points for post in posts),
        "score": sum(post.score for post in posts),
        "campaigns": [names[each.campaign_id] for each in effects if isinstance(each, Achieve)],
        "coupons": [
            shown(each.code, each.code_prefix, each.external_code)
            for each in effects
            if isinstance(each, GrantCoupon)
        ],
        "coupon_ids": [each.coupon_id for each in effects if isinstance(each, GrantCoupon)],
        "tier": _tier(happened.after),
        "outcome": str(happened.decision.outcome) if why is None else str(why),
    }


def _customer_row(
    customer_id: str, state: CustomerState, program: PartnerProgram
) -> dict[str, Any]:
    wallet = state.wallet
    return {
        "customer_id": customer_id,
        "points": wallet.balance,
        "worth": program.worth_of(wallet.balance, state.profile),
        "owed": wallet.owed,
        "score": wallet.score,
        "spent": wallet.spent,
        "orders": wallet.orders,
        "referrals": wallet.referrals,
        "tier": _tier(state),
        "coupons": len(state.coupons.by_id),
    }


def _rule_row(rule: RedemptionRule) -> dict[str, Any]:
    """`points` null: the whole balance, or as many as are asked for with the default rule."""
    return {
        "rule_id": rule.id,
        "is_default": rule.is_default,
        "is_active": rule.is_active,
        "points": rule.points,
        "coupon": str(TermsType.FIXED if rule.is_general else rule.terms.type),
        "value": None if rule.is_general else rule.terms.value,
    }


def _group_row(group: Group, stock: GroupStock) -> dict[str, Any]:
    """`issued` leaves out coupons that were cancelled. `remaining` null: without end."""
    left = [] if group.max_total is None else [max(group.max_total - stock.issued, 0)]
    left += [] if stock.codes is None else [len(stock.codes)]
    return {
        "handle": group.handle,
        "issued": stock.issued,
        "remaining": min(left, default=None),
    }


def _tier(state: CustomerState) -> str | None:
    return state.standing.tier.name if state.standing.tier is not None else None


def _print(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    print_table(columns, ([_shown(row[column]) for column in columns] for row in rows))


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(value)
    return text_of(value) if hasattr(value, "as_tuple") else value
