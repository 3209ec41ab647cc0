"""What a transaction will write of accounts: profiles, wallets, the ledger, lots, and what orders have earned.

Entries, purchases and uses are added; the rest is written as it stands after the customer's last event of the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from services.adapters.postgres.points import (
    BookingRow,
    EntryRow,
    LotRow,
    WalletRow,
    entry_row,
    lot_row,
    wallet_row,
)
from services.adapters.postgres.profiles import ProfileRow, profile_row
from services.adapters.postgres.purchases import (
    PurchaseRow,
    RefundBefore,
    RefundRow,
    UseBack,
    UseRow,
    purchase_row,
)
from services.domain.birthdays import next_birthday
from services.domain.campaigns import Achieve, CountStep
from services.domain.coupons.coupon import Step
from services.domain.coupons.effects import ChangeCoupon
from services.domain.coupons.notices import next_notice
from services.domain.effects import Effect
from services.domain.origins import SourceKind
from services.domain.points.wallet import EntryKind, Lot, Post
from services.domain.profiles import CompleteReferral, Describe, HoldCard
from services.domain.purchases import CountOrder, NoteRefund
from services.domain.state import CustomerState
from services.domain.tiers import ChangeTier, GrantTier
from services.domain.values import quickly_made

_BOOKED = {EntryKind.EARNED, EntryKind.SPENT}


@quickly_made(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose it is, and by which decision it moves; `event_key` None: by time."""

    customer_no: int
    partner_id: int
    event_key: str | None


@dataclass(slots=True, kw_only=True)
class Accounts:
    """`points_leads_hours`: how long before lots end their notices are due."""

    points_leads_hours: tuple[int, ...] = ()
    entries: list[EntryRow] = field(default_factory=list)
    bookings: list[BookingRow] = field(default_factory=list)
    purchases: list[PurchaseRow] = field(default_factory=list)
    refunds_before: dict[tuple[str, int], RefundBefore] = field(default_factory=dict)
    uses: list[UseRow] = field(default_factory=list)
    uses_back: list[UseBack] = field(default_factory=list)
    _wallets: dict[int, WalletRow] = field(default_factory=dict)
    _new_lots: dict[tuple[int, int], LotRow] = field(default_factory=dict)
    _changed_lots: dict[tuple[int, int], LotRow] = field(default_factory=dict)
    _profiles: dict[int, ProfileRow] = field(default_factory=dict)
    _refunds: dict[tuple[int, str], RefundRow] = field(default_factory=dict)

    def wallets(self) -> Collection[WalletRow]:
        """As they stand now."""
        return self._wallets.values()

    def new_lots(self) -> list[LotRow]:
        """Those that are opened, as they stand now."""
        return list(self._new_lots.values())

    def changed_lots(self) -> Collection[LotRow]:
        """Those that were there and something was taken from, or given back to, as they stand now."""
        return self._changed_lots.values()

    def profiles(self) -> Collection[ProfileRow]:
        """As they stand now."""
        return self._profiles.values()

    def refunds(self) -> list[RefundRow]:
        """What has been refunded in all, of orders that have earned."""
        return list(self._refunds.values())

    def add(
        self,
        account: Account,
        effects: Iterable[Effect],
        after: CustomerState,
        *,
        at: datetime,
        time_zone: str | None = None,
    ) -> None:
        """What these effects do to one customer's account, and how it stands `after` them.

        `time_zone` is the partner's, where a profile may move.
        """
        referral_key = None
        moves_profile = False
        for effect in effects:
            match effect:
                case Post():
                    self._post(account, effect, after)
                case Achieve() | CountStep() | ChangeTier() | GrantTier():
                    pass  # the wallet has it
                case CountOrder():
                    assert account.event_key is not None
                    self.purchases.append(
                        purchase_row(
                            effect.purchase,
                            account.partner_id,
                            account.customer_no,
                            account.event_key,
                        )
                    )
                case NoteRefund():
                    self._refund(account, effect, after)
                case Describe() | HoldCard():
                    moves_profile = True
                case CompleteReferral():
                    moves_profile, referral_key = True, account.event_key
                case _:
                    pass
        if after.wallet.entries or after.standing.is_recorded or after.campaigns.by_id:
            self._wallets[account.customer_no] = wallet_row(
                after.wallet,
                after.standing,
                after.campaigns,
                account.customer_no,
                account.partner_id,
            )
        if moves_profile:
            self._describe(account, after, at, time_zone, referral_key)

    def add_use(self, change: ChangeCoupon, customer_no: int, partner_id: int) -> None:
        """That an order uses a coupon with terms, or does so no more."""
        coupon, order_id = change.coupon, change.order_id
        if coupon.terms is None or order_id is None:
            return
        if change.step in {Step.USED, Step.REDEEMED}:
            self.uses.append(UseRow(customer_no, order_id, coupon.id, partner_id, coupon.steps))
        elif change.step is Step.REINSTATED:
            self.uses_back.append(UseBack(customer_no, order_id, coupon.id))

    def _post(self, account: Account, entry: Post, after: CustomerState) -> None:
        number, partner_id = account.customer_no, account.partner_id
        self.entries.append(entry_row(entry, number, partner_id, account.event_key))
        if entry.source.kind is SourceKind.MANUAL and entry.kind in _BOOKED:
            self.bookings.append(BookingRow(partner_id, entry.source.id, number, entry.number))
        opened = entry.opens
        if opened is not None:
            lot = after.wallet.lots[opened.number]
            self._new_lots[number, lot.number] = self._lot_row(account, lot)
        for take in entry.takes:
            lot = after.wallet.lots[take.lot]
            is_new = (number, lot.number) in self._new_lots
            lots = self._new_lots if is_new else self._changed_lots
            lots[number, lot.number] = self._lot_row(account, lot)

    def _lot_row(self, account: Account, lot: Lot) -> LotRow:
        notice_at = None
        if lot.expires_at is not None:
            delay = _first_notice(lot.expires_at - lot.earned_at, self.points_leads_hours)
            notice_at = None if delay is None else lot.earned_at + delay
        return lot_row(lot, account.customer_no, account.partner_id, notice_at)

    def _refund(self, account: Account, effect: NoteRefund, after: CustomerState) -> None:
        partner_id, order_id = account.partner_id, effect.order_id
        purchase = after.purchases.by_id.get(order_id)
        if purchase is not None and purchase.is_mine:
            self._refunds[partner_id, order_id] = RefundRow(
                partner_id, order_id, purchase.refunded, purchase.is_closed
            )
            return
        refunded = after.purchases.refunded_before.get(order_id)
        self.refunds_before[order_id, account.customer_no] = RefundBefore(
            partner_id, order_id, account.customer_no, refunded
        )

    def _describe(
        self,
        account: Account,
        after: CustomerState,
        at: datetime,
        time_zone: str | None,
        referral_key: str | None,
    ) -> None:
        was = self._profiles.get(account.customer_no)
        born = after.profile.birthday
        self._profiles[account.customer_no] = profile_row(
            after.profile,
            customer_no=account.customer_no,
            partner_id=account.partner_id,
            referral_key=referral_key or (was.referral_key if was else None),
            birthday_at=next_birthday(born, time_zone, at) if born and time_zone else None,
        )


@lru_cache(maxsize=1024)
def _first_notice(validity: timedelta, leads_hours: tuple[int, ...]) -> timedelta | None:
    """How long after points came in, to stay for so long, their first notice is due; None: never. They come in by the
    thousand, most of them for one of a few periods.
    """
    due_at = next_notice(_ANY, _ANY + validity, leads_hours, at=_ANY)
    return None if due_at is None else due_at - _ANY


_ANY: Final = datetime.min.replace(tzinfo=UTC)
