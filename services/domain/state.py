"""What the rules need to know of one customer, in families, and how effects change it.

A family is what belongs together: its state, its effects, its `after`. Here they are only put together. Nothing is
built anew field by field: what no effect concerns stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from services.domain import campaigns, closed_orders, profiles, purchases, stamps, tiers
from services.domain.campaigns import (
    NO_CAMPAIGNS,
    Achieve,
    CampaignProgress,
    CountStep,
    Revoke,
    TakeStepBack,
)
from services.domain.closed_orders import NO_ORDERS, ClosedOrders, CloseOrder
from services.domain.coupons import held
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineIssuance,
    DeclineReward,
    GrantCoupon,
    IssueCoupon,
)
from services.domain.coupons.held import NO_COUPONS, Coupons
from services.domain.decision import Effect
from services.domain.points import wallet
from services.domain.points.wallet import NO_POINTS, Post, Wallet
from services.domain.profiles import UNKNOWN, CompleteReferral, Describe, HoldCard, Profile
from services.domain.purchases import NO_PURCHASES, CountOrder, NoteRefund, NoteUse, Purchases
from services.domain.referrals import NOBODY, Others, RewardReferral
from services.domain.stamps import NO_STAMPS, AddStamp, Stamps, TakeStampBack
from services.domain.tiers import NO_STANDING, ChangeTier, GrantTier, Standing
from services.domain.values import quickly_made, replaced


@quickly_made(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """One customer, as far as the events at hand can touch."""

    coupons: Coupons = NO_COUPONS
    stamps: Stamps = NO_STAMPS
    orders: ClosedOrders = NO_ORDERS
    profile: Profile = UNKNOWN
    wallet: Wallet = NO_POINTS
    standing: Standing = NO_STANDING
    campaigns: CampaignProgress = NO_CAMPAIGNS
    purchases: Purchases = NO_PURCHASES
    others: Others = NOBODY


NEW_CUSTOMER = CustomerState()

_OF_NO_ACCOUNT = frozenset(
    {
        IssueCoupon,
        GrantCoupon,
        ChangeCoupon,
        DeclineIssuance,
        DeclineReward,
        AddStamp,
        TakeStampBack,
        CloseOrder,
        RewardReferral,
    }
)
"""Effects of no family of the program. By type, since it is asked of every effect of every event."""


def moves_account(effects: Iterable[Effect]) -> bool:
    """Whether any of them changes what the program knows of the customer."""
    return not _OF_NO_ACCOUNT.issuperset(map(type, effects))


def evolve(state: CustomerState, effects: Iterable[Effect]) -> CustomerState:
    """The customer after these effects, so that later events of the same batch see earlier ones.

    Of the state itself one is made in the end, not one for each effect.
    """
    coupons, cards, orders = state.coupons, state.stamps, state.orders
    profile, purse, standing = state.profile, state.wallet, state.standing
    progress, bought = state.campaigns, state.purchases
    for effect in effects:
        match effect:
            case Post():
                purse = wallet.after(purse, effect)
            case CountStep() | Achieve() | TakeStepBack() | Revoke():
                progress = campaigns.after(progress, effect)
            case IssueCoupon() | ChangeCoupon() | DeclineIssuance() | GrantCoupon():
                coupons = held.after(coupons, effect)
            case AddStamp() | TakeStampBack():
                cards = stamps.after(cards, effect)
            case CloseOrder():
                orders = closed_orders.after(orders, effect)
            case GrantTier() | ChangeTier():
                standing = tiers.after(standing, effect)
            case Describe() | HoldCard() | CompleteReferral():
                profile = profiles.after(profile, effect)
            case CountOrder() | NoteRefund() | NoteUse():
                bought = purchases.after(bought, effect)
            case DeclineReward() | RewardReferral():
                pass  # told, and nothing else
            case _:
                assert_never(effect)
    return CustomerState(
        coupons=coupons,
        stamps=cards,
        orders=orders,
        profile=profile,
        wallet=purse,
        standing=standing,
        campaigns=progress,
        purchases=bought,
        others=state.others,
    )


def laid_over(stored: CustomerState, changes: CustomerState) -> CustomerState:
    """The stored state with changes on top that nobody records; where both know a thing, the change is newer.

    A run in memory loads, for each batch, only what that batch's events can touch, so the changes of earlier batches
    cannot be applied to a state and kept as one: each new state is loaded anew, and the changes so far go on top.
    """
    return replaced(
        stored,
        coupons=held.laid_over(stored.coupons, changes.coupons),
        stamps=stamps.laid_over(stored.stamps, changes.stamps),
        orders=closed_orders.laid_over(stored.orders, changes.orders),
        profile=profiles.laid_over(stored.profile, changes.profile),
        wallet=wallet.laid_over(stored.wallet, changes.wallet),
        standing=tiers.laid_over(stored.standing, changes.standing),
        campaigns=campaigns.laid_over(stored.campaigns, changes.campaigns),
        purchases=purchases.laid_over(stored.purchases, changes.purchases),
        others=Others(registered=stored.others.registered | changes.others.registered),
    )


def with_effects(
    changes: CustomerState, before: CustomerState, effects: Iterable[Effect]
) -> CustomerState:
    """The changes and those of one more decision, which was made upon `before` (see `laid_over`)."""
    effects = tuple(effects)
    # Effects that change what is there, instead of replacing it, find it there.
    places = [(e.order_id, e.game_id) for e in effects if isinstance(e, TakeStampBack)]
    if places:
        touched = Stamps(of_orders={place: before.stamps.of_orders[place] for place in places})
        changes = replaced(changes, stamps=stamps.laid_over(touched, changes.stamps))
    orders = {
        e.order_id
        for e in effects
        if isinstance(e, ChangeCoupon) and e.order_id is not None and e.coupon.terms is not None
    }
    if orders:
        uses = {each: before.coupons.used_by.get(each, ()) for each in orders}
        of_orders = Coupons(used_by=uses)
        changes = replaced(changes, coupons=held.laid_over(changes.coupons, of_orders))
    if moves_account(effects):
        changes = replaced(
            changes,
            profile=before.profile,
            wallet=before.wallet,
            standing=before.standing,
            campaigns=before.campaigns,
            purchases=before.purchases,
        )
    return evolve(changes, effects)
