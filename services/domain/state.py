"""What the rules need to know of one customer, in families, and how effects change it.

A family is what belongs together: its state, its effects, its `after`. Here they are only put together. Nothing is
built anew field by field: what no effect concerns stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

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
from services.domain.effects import Effect
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

_Family: TypeAlias = tuple[str, Callable[[Any, Any], Any]]
_FAMILIES: Mapping[type, _Family | None] = {
    Post: ("wallet", wallet.after),
    **dict.fromkeys((CountStep, Achieve, TakeStepBack, Revoke), ("campaigns", campaigns.after)),
    **dict.fromkeys(
        (IssueCoupon, ChangeCoupon, DeclineIssuance, GrantCoupon), ("coupons", held.after)
    ),
    **dict.fromkeys((AddStamp, TakeStampBack), ("stamps", stamps.after)),
    CloseOrder: ("orders", closed_orders.after),
    **dict.fromkeys((GrantTier, ChangeTier), ("standing", tiers.after)),
    **dict.fromkeys((Describe, HoldCard, CompleteReferral), ("profile", profiles.after)),
    **dict.fromkeys((CountOrder, NoteRefund, NoteUse), ("purchases", purchases.after)),
    **dict.fromkeys((DeclineReward, RewardReferral), None),  # told, and nothing else
}
"""Which family an effect changes, and how. Looked up by type: an order has a dozen effects."""
_OF_NO_ACCOUNT = frozenset(
    kind
    for kind, family in _FAMILIES.items()
    if family is None or family[0] in {"coupons", "stamps", "orders"}
)
"""Effects of no family of the program. By type, since it is asked of every effect of every event."""


def moves_account(effects: Iterable[Effect]) -> bool:
    """Whether any of them changes what the program knows of the customer."""
    return not _OF_NO_ACCOUNT.issuperset(map(type, effects))


class Evolving:
    """One customer while effects come: the families of `CustomerState`, each replaced by what is `after` an effect."""

    __slots__ = CustomerState.__slots__

    coupons: Coupons
    stamps: Stamps
    orders: ClosedOrders
    profile: Profile
    wallet: Wallet
    standing: Standing
    campaigns: CampaignProgress
    purchases: Purchases
    others: Others

    def __init__(self, state: CustomerState) -> None:
        self.coupons = state.coupons
        self.stamps = state.stamps
        self.orders = state.orders
        self.profile = state.profile
        self.wallet = state.wallet
        self.standing = state.standing
        self.campaigns = state.campaigns
        self.purchases = state.purchases
        self.others = state.others

    def take(self, effects: Iterable[Effect]) -> None:
        """These have come, in this order."""
        for effect in effects:
            family = _FAMILIES[type(effect)]
            if family is not None:
                name, after = family
                setattr(self, name, after(getattr(self, name), effect))

    def now(self) -> CustomerState:
        """The customer as of here."""
        return CustomerState(
            coupons=self.coupons,
            stamps=self.stamps,
            orders=self.orders,
            profile=self.profile,
            wallet=self.wallet,
            standing=self.standing,
            campaigns=self.campaigns,
            purchases=self.purchases,
            others=self.others,
        )


def evolve(state: CustomerState, effects: Iterable[Effect]) -> CustomerState:
    """The customer after these effects, so that later events of the same batch see earlier ones."""
    evolving = Evolving(state)
    evolving.take(effects)
    return evolving.now()


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
