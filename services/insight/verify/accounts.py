"""P1 to P8: every account worked out again from its ledger, entry by entry; what is stored beside it must come out.

The rows of a page of customers come as streams in the customers' order, and are met where the wallets pass: in memory
is what one customer has, however long the ledger. What orders have earned, and who has brought whom, is held
elsewhere (`purchases`, `referred`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.domain.origins import SourceKind
from services.domain.points.wallet import EntryKind
from services.domain.tiers import progress_by, tier_at
from services.insight.verify.achieved import Achieved
from services.insight.verify.entries import fault_of, rate_fault
from services.insight.verify.folded import METERS, Folded, FoldedLot, FoldError
from services.insight.verify.messages import BEFORE_CUSTOMERS
from services.insight.verify.scan import PAGE_ROWS, Rank, Scan, account
from services.insight.verify.undone import Redemptions
from services.insight.verify.versions import Versions

_SQL = queries("accounts", __package__)
_ROWS_AT_ONCE = 1_000
"""Of each stream."""


async def check(scan: Scan) -> None:
    """Page by page; a page is some customers, whole, in one snapshot."""
    await scan.protected_by(
        "P1",
        "a_ledger_counts_without_a_gap",
        "a_balance_is_never_below_nothing",
        "nobody_owes_less_than_nothing",
        "no_entry_leaves_less_than_nothing",
    )
    await scan.protected_by("P3", "a_lot_gives_no_more_than_it_has")
    versions = Versions(scan)
    async for after, up_to in scan.pages("end_of_entries", BEFORE_CUSTOMERS, MAX_ID):
        async with scan.connection.transaction(isolation="repeatable_read", readonly=True):
            await _Page(scan, versions, after, up_to).walk()


class _Stream:
    """Rows in the order of their customers, taken as the customers come."""

    def __init__(self, rows: AsyncIterator[asyncpg.Record]) -> None:
        self._rows = rows
        self._next: asyncpg.Record | None = None
        self._is_over = False

    async def peek(self) -> asyncpg.Record | None:
        if self._next is None and not self._is_over:
            self._next = await anext(self._rows, None)
            self._is_over = self._next is None
        return self._next

    async def until(self, customer_no: int) -> AsyncIterator[asyncpg.Record]:
        """Rows of customers up to this one."""
        while (row := await self.peek()) is not None and row["customer_no"] <= customer_no:
            self._next = None
            yield row


class _Page:
    """Some customers, whole."""

    def __init__(self, scan: Scan, versions: Versions, after: int, up_to: int) -> None:
        self.scan, self.versions, self.up_to = scan, versions, up_to

        def stream(name: str) -> _Stream:
            cursor = scan.connection.cursor(_SQL[name], after, up_to, prefetch=_ROWS_AT_ONCE)
            return _Stream(aiter(cursor))

        self.wallets, self.entries, self.lots, self.achieved = map(
            stream, ("wallets_of_page", "entries_of_page", "lots_of_page", "achieved_of_page")
        )

    async def walk(self) -> None:
        """Wallet by wallet, and what has none."""
        looked_at = 0
        async for row in self.wallets.until(self.up_to):
            looked_at += await _Judged(self, row).judge()
            if looked_at >= PAGE_ROWS:
                self.scan.looked_at(looked_at, "P1")
                looked_at = 0
        await self.homeless(self.up_to)
        self.scan.looked_at(looked_at, "P1")

    async def homeless(self, before: int) -> None:
        """Entries of customers up to this one who have no wallet."""
        last = None
        async for row in self.entries.until(before):
            if row["customer_no"] != last:
                last = row["customer_no"]
                words = f"customer number {last} has entries and no wallet"
                self.scan.violated("P1", words, account(last))


class _Judged:
    """One customer, by the wallet that is stored."""

    def __init__(self, page: _Page, wallet: asyncpg.Record) -> None:
        self.page, self.stored = page, wallet
        self.number: int = wallet["customer_no"]
        self.who = f"customer {wallet['customer_id']!r} of partner {wallet['partner_id']}"
        self.folded = Folded()
        self._rewarded: set[tuple[str, str]] = set()
        self._brought: set[object] = set()
        self._redemptions = Redemptions()

    def violated(self, invariant: str, words: str, *about: object) -> None:
        self.page.scan.violated(invariant, f"{self.who}{words}", account(self.number), *about)

    def echoed(self, invariant: str, words: str, *about: str) -> None:
        """What a fault of the ledger itself would explain."""
        self.page.scan.echoed(
            Rank.OF_THE_RECORD, invariant, f"{self.who}{words}", account(self.number), *about
        )

    async def judge(self) -> int:
        """All that is held against the customer's ledger; how many rows that were."""
        await self.page.homeless(self.number - 1)
        rows, is_whole = 1, True
        async for row in self.page.entries.until(self.number):
            rows += 1
            is_whole = is_whole and await self._entry(row)
        lots = {
            row["number"]: _lot_from(row)
            async for row in self.page.lots.until(self.number)
            if row["customer_no"] == self.number
        }
        await self._achievements(is_whole=is_whole)
        if is_whole:
            self._same_wallet()
            self._same_lots(lots)
            await self._same_tier()
        return rows

    async def _entry(self, row: asyncpg.Record) -> bool:
        """P2, then what the entry does; whether it can be done."""
        version, what = row["program_version"], f": entry {row['number']}"
        program = await self.page.versions.at(row["partner_id"], version)
        if fault := fault_of(row, self.number):
            self.violated("P2", f"{what} {fault}")
        elif program is not None:
            if fault := rate_fault(row, self.folded, program):
                self.violated("P2", f"{what} {fault}")
        elif version and not await self.page.versions.exists(row["partner_id"], version):
            words = f"was decided by version {version} of the program, which never was"
            self.violated("P2", f"{what} {words}", row["event_key"])
        try:
            self.folded.add(row)
        except FoldError as error:
            self.violated(error.invariant, f": {error}")
            return False
        self._once(row)
        self._redemptions.note(row)
        return True

    def _once(self, row: asyncpg.Record) -> None:
        """P7 and P5: a tier and a friend are rewarded once."""
        place = row["source_kind"], row["source_id"]
        if row["kind"] != EntryKind.EARNED or place[0] not in _ONCE:
            return
        if place in self._rewarded:
            self.violated(_ONCE[place[0]], f" was rewarded twice for {place[0]} {place[1]!r}")
        self._rewarded.add(place)
        if row["referrals"]:
            self._brought.add(row["event_key"])

    async def _achievements(self, *, is_whole: bool) -> None:
        """P4; of P5 that every friend was counted, of P8 that what was undone was given back."""
        achieved = Achieved(self.page.versions)
        async for fault in achieved.faults(self._mine(self.page.achieved)):
            self.echoed("P4", f" {fault}")
        for fault in achieved.miscounted(self.stored["campaigns"]):
            self.echoed("P4", f" {fault}")
        if is_whole:
            for fault in self._redemptions.faults(achieved.undone):
                self.echoed("P8", fault)
            for key in sorted(map(str, achieved.brought - self._brought)):
                self.echoed(
                    "P5", f" was told of a friend by decision {key}, which counted none", key
                )

    async def _mine(self, stream: _Stream) -> AsyncIterator[asyncpg.Record]:
        async for row in stream.until(self.number):
            if row["customer_no"] == self.number:
                yield row

    def _same_wallet(self) -> None:
        """P1: the sum of the entries."""
        folded: Mapping[str, Any] = {
            "entries": self.folded.entries,
            "balance": self.folded.balance,
            "owed": self.folded.owed,
            **self.folded.meters,
        }
        for name in ("entries", "balance", "owed", *METERS):
            if self.stored[name] != folded[name]:
                words = f"{self.stored[name]}, and its entries add up to {folded[name]}"
                self.violated("P1", f" has {name} {words}")

    def _same_lots(self, stored: Mapping[int, FoldedLot]) -> None:
        """P3: each lot as its entries have left it."""
        lots = self.folded.lots
        for number in sorted(stored.keys() | lots.keys()):
            if stored.get(number) != lots.get(number):
                self.violated("P3", f": lot {number} is not what its entries make of it")

    async def _same_tier(self) -> None:
        """P6: the tier recorded is that of the progress, by the version that decided last."""
        stored, version = self.stored, self.stored["last_version"]
        program = await self.page.versions.at(stored["partner_id"], version)
        if program is None or not stored["tier_recorded"]:
            return
        tier = tier_at(program.tiers, progress_by(program.tier_method, self.folded.wallet()))
        if stored["tier_id"] != (tier.id if tier is not None else None):
            self.violated(
                "P6", f" is in tier {stored['tier_id']}, and progress reaches another one"
            )


_ONCE: Mapping[str, str] = {SourceKind.TIER: "P7", SourceKind.REFERRAL: "P5"}


def _lot_from(row: asyncpg.Record) -> FoldedLot:
    return FoldedLot(
        source=(row["source_kind"], row["source_id"]),
        earned_at=row["earned_at"],
        expires_at=row["expires_at"],
        amount=row["amount"],
        left=row["remaining"],
        expired=row["expired"],
    )
