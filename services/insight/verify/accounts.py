"""P1 to P7 and P9: every account worked out again from its ledger, entry by entry, by the rules' own `after`.

A page is some customers, whole; what is stored beside the ledger must be what comes out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import asyncpg
import orjson

from services.adapters.postgres import points
from services.adapters.postgres.programs import program_version
from services.adapters.postgres.queries import queries
from services.adapters.postgres.stored_program import program_from
from services.domain.exact import ZERO
from services.domain.origins import SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.points.wallet import EntryKind, Lot, Wallet
from services.domain.purchases import taken_back
from services.domain.tiers import progress_by, tier_at
from services.insight.verify.folded import Folded, FoldError
from services.insight.verify.scan import Scan

CUSTOMERS = 500
"""Of a page: their whole ledgers are in memory at once."""
LOWEST, HIGHEST = 0, 2**63 - 1

_SQL = queries("accounts", __package__)
_METERS = ("balance", "owed", "points_earned", "score", "spent", "orders", "referrals")


async def check(scan: Scan) -> None:
    """Page by page."""
    await scan.protected_by(
        "P1", "a_balance_is_never_below_nothing", "no_entry_leaves_less_than_nothing"
    )
    await scan.protected_by("P3", "a_lot_gives_no_more_than_it_has")
    await scan.protected_by("P9", "an_order_earns_once", "no_more_is_refunded_than_was_paid")
    await scan.protected_by("P11", "a_coupon_is_used_no_more_than_its_limit")
    for row in await scan.connection.fetch(_SQL["homeless_entries"]):
        scan.violated("P1", f"customer number {row['customer_no']} has entries and no wallet")
    for row in await scan.connection.fetch(_SQL["referrals_astray"]):
        scan.violated("P5", f"{_who(row)} {row['fault']}")
    programs: dict[tuple[int, int], PartnerProgram | None] = {}
    after = LOWEST
    while True:
        up_to = await scan.connection.fetchval(_SQL["end_of_accounts"], after, CUSTOMERS - 1)
        await _page(scan, after, HIGHEST if up_to is None else up_to, programs)
        if up_to is None:
            return
        after = up_to


async def _page(
    scan: Scan,
    after: int,
    up_to: int,
    programs: dict[tuple[int, int], PartnerProgram | None],
) -> None:
    async with scan.connection.transaction(isolation="repeatable_read", readonly=True):
        wallets, entries, lots, bought = [
            await scan.connection.fetch(_SQL[name], after, up_to)
            for name in ("wallets_of_page", "entries_of_page", "lots_of_page", "purchases_of_page")
        ]
    by_customer = _by_customer(entries)
    lots_of, bought_of = _by_customer(lots), _by_customer(bought)
    for row in wallets:
        number, who = row["customer_no"], _who(row)
        mine = by_customer.get(number, [])
        _each_entry(scan, who, number, mine)
        try:
            folded = _folded(mine)
        except FoldError as error:
            scan.violated(error.invariant, f"{who}: {error}")
            continue
        _same_wallet(scan, who, row, folded.wallet)
        _same_lots(scan, who, lots_of.get(number, []), folded.wallet.lots)
        _same_orders(scan, who, mine, bought_of.get(number, []))
        _once(scan, who, mine)
        await _same_tier(scan, who, row, folded.wallet, programs)
        scan.looked_at(len(mine) + 1, "P1")
    await _referred(scan, entries)


def _who(row: Mapping[str, Any] | asyncpg.Record) -> str:
    return f"customer {row['customer_id']!r} of partner {row['partner_id']}"


def _by_customer(rows: Iterable[asyncpg.Record]) -> dict[int, list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["customer_no"], []).append(row)
    return found


def _folded(entries: Iterable[asyncpg.Record]) -> Folded:
    folded = Folded()
    for row in entries:
        folded.add(row)
    return folded


def _each_entry(scan: Scan, who: str, number: int, entries: Iterable[asyncpg.Record]) -> None:
    """P2: an entry is its decision's, or time's."""
    for row in entries:
        what = f"{who}: entry {row['number']}"
        if row["event_key"] is None:
            if row["kind"] != EntryKind.EXPIRED:
                scan.violated("P2", f"{what} names no decision, and only time's ends need none")
        elif not row["is_decided"]:
            scan.violated("P2", f"{what} names decision {row['event_key']}, which is not there")
        elif row["decided_for"] != number:
            scan.violated("P2", f"{what} names decision {row['event_key']} of another customer")
        elif row["program_version"] is None and row["source_kind"] not in _BY_HAND:
            scan.violated("P2", f"{what} was earned by a program, and its decision knows of none")


_BY_HAND = {SourceKind.MANUAL, SourceKind.REDEMPTION}


def _same_wallet(scan: Scan, who: str, stored: asyncpg.Record, wallet: Wallet) -> None:
    """P1: the sum of the entries."""
    if stored["entries"] != wallet.entries:
        scan.violated("P1", f"{who} counts {stored['entries']} entries, and has {wallet.entries}")
    for name in _METERS:
        if stored[name] != getattr(wallet, name):
            scan.violated(
                "P1",
                f"{who} has {name} {stored[name]}, and its entries add up to {getattr(wallet, name)}",
            )


def _same_lots(
    scan: Scan, who: str, stored: Iterable[asyncpg.Record], lots: Mapping[int, Lot]
) -> None:
    """P3: each lot as its entries have left it."""
    found = {row["number"]: points.lot_from(row) for row in stored}
    for number in sorted(found.keys() | lots.keys()):
        if found.get(number) != lots.get(number):
            scan.violated("P3", f"{who}: lot {number} is not what its entries make of it")


def _same_orders(
    scan: Scan,
    who: str,
    entries: Iterable[asyncpg.Record],
    purchases: Iterable[asyncpg.Record],
) -> None:
    """P9: what an order has earned, less what was taken back of it, is what its refund leaves."""
    earned: dict[str, list[Any]] = {}
    granted: dict[str, int] = {}
    for row in entries:
        if row["order_id"] is None or row["kind"] not in {EntryKind.EARNED, EntryKind.REVERSED}:
            continue
        if row["source_kind"] == SourceKind.ORDER:
            sums = earned.setdefault(row["order_id"], [0, 0, ZERO, 0])
            for place, name in enumerate(("points_earned", "score", "spent", "orders")):
                sums[place] += row[name]
        elif row["source_kind"] == SourceKind.CAMPAIGN:
            granted[row["order_id"]] = granted.get(row["order_id"], 0) + row["points_earned"]
    for row in purchases:
        order_id, amount, refunded = row["order_id"], row["amount"], row["refunded"]
        due = [_left(row[name], row) for name in ("points", "score")]
        expected = [*due, amount - refunded, 0 if row["is_closed"] else 1]
        if earned.get(order_id, [0, 0, ZERO, 0]) != expected:
            scan.violated(
                "P9", f"{who}: order {order_id!r} has not left what its refund leaves of it"
            )
        if row["is_closed"] and granted.get(order_id):
            scan.violated("P9", f"{who}: order {order_id!r} counts no more, and its campaigns do")


def _left(points_of: int, purchase: asyncpg.Record) -> int:
    if purchase["is_closed"]:
        return 0
    refunded: Decimal = purchase["refunded"]
    return points_of - (taken_back(points_of, refunded, purchase["amount"]) if refunded else 0)


def _once(scan: Scan, who: str, entries: Iterable[asyncpg.Record]) -> None:
    """P7 and P5: a tier and a friend are rewarded once."""
    seen: set[tuple[str, str]] = set()
    for row in entries:
        place = (row["source_kind"], row["source_id"])
        if row["kind"] != EntryKind.EARNED or place[0] not in _ONCE:
            continue
        if place in seen:
            scan.violated(_ONCE[place[0]], f"{who} was rewarded twice for {place[0]} {place[1]!r}")
        seen.add(place)


_ONCE: dict[str, str] = {SourceKind.TIER: "P7", SourceKind.REFERRAL: "P5"}


async def _same_tier(
    scan: Scan,
    who: str,
    stored: asyncpg.Record,
    wallet: Wallet,
    programs: dict[tuple[int, int], PartnerProgram | None],
) -> None:
    """P6 and P4: the tier recorded is that of the progress, and no campaign counts more than it may."""
    version = stored["last_version"]
    if version is None:
        return
    key = (stored["partner_id"], version)
    if key not in programs:
        found = await program_version(scan.connection, *key)
        programs[key] = None if found is None else program_from(found)
    program = programs[key]
    if program is None:
        scan.violated(
            "P2", f"{who} was decided by version {version} of the program, which never was"
        )
        return
    tier = tier_at(program.tiers, progress_by(program.tier_method, wallet))
    if stored["tier_recorded"] and stored["tier_id"] != (tier.id if tier is not None else None):
        scan.violated(
            "P6", f"{who} is in tier {stored['tier_id']}, and progress reaches another one"
        )
    most = {campaign.id: campaign.max_achievement for campaign in program.campaigns}
    for id_, (achieved, *_) in orjson.loads(stored["campaigns"]).items():
        if 0 <= most.get(int(id_), -1) < achieved and not await _was_more(
            scan, key, int(id_), achieved
        ):
            scan.violated(
                "P4", f"{who} has achieved campaign {id_} {achieved} times, more than it may"
            )


async def _was_more(scan: Scan, key: tuple[int, int], campaign_id: int, achieved: int) -> bool:
    """Whether an earlier version allowed so many."""
    for version in range(key[1] - 1, 0, -1):
        found = await program_version(scan.connection, key[0], version)
        if found is None:
            continue
        for campaign in program_from(found).campaigns:
            if campaign.id == campaign_id and not 0 <= campaign.max_achievement < achieved:
                return True
    return False


async def _referred(scan: Scan, entries: Iterable[asyncpg.Record]) -> None:
    """P5: who counts a friend has brought that friend, and nobody else has."""
    counted = [
        (row["partner_id"], row["source_id"], row["customer_no"])
        for row in entries
        if row["referrals"] and row["source_kind"] == SourceKind.REFERRAL
    ]
    if not counted:
        return
    partners = sorted({partner_id for partner_id, *_ in counted})
    friends = sorted({friend for _, friend, _ in counted})
    rows = await scan.connection.fetch(_SQL["friends_of"], partners, friends)
    completed = {(row["partner_id"], row["friend_id"]) for row in rows}
    for (partner_id, friend), group in itertools.groupby(
        sorted(counted), key=lambda each: each[:2]
    ):
        if (partner_id, friend) not in completed or len(list(group)) > 1:
            scan.violated(
                "P5", f"friend {friend!r} of partner {partner_id} was counted and should not be"
            )
