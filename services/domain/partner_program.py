"""A partner's program: everything it has set for points, tiers, campaigns, referrals and cards, at one version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.domain.campaigns import Campaign
from services.domain.exact import ONE, ZERO, minor_digits
from services.domain.points.earning import CardRules, CashbackRule, Rates, worth
from services.domain.profiles import Profile
from services.domain.referrals import ReferralRules
from services.domain.terms import Group, Terms, TermsType
from services.domain.tiers import Standing, Tier, TierMethod, TierRef, ref_of

_ANY_OTHER: Final = ""
"""No campaign waits for an event of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionRule:
    """Points into a coupon. `points` None costs the whole balance; the default rule what is asked for.

    `is_general`: a fixed discount of what the points are worth, `terms` give the rest. `ends_at` is exclusive.
    `tier_id`, or `tier_name` where no id was given: that very tier.
    """

    id: int
    terms: Terms
    points: int | None = None
    value_of_point: Decimal = ZERO
    is_general: bool = False
    is_default: bool = False
    is_active: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    tier_id: int | None = None
    tier_name: str | None = None
    tags: frozenset[str] = frozenset()

    def is_for_tier(self, tier: Tier | None) -> bool:
        if self.tier_id is not None:
            return tier is not None and tier.id == self.tier_id
        return self.tier_name is None or (tier is not None and tier.name == self.tier_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerProgram:
    """`tiers` ascend by order, `campaigns` by id. `cashback_of` is by tier id. `value_of_point` is the default rule's.

    `revision` tells two states of it apart where the version does not: at version 0 cards and the zone may change.

    `currency` None: any, at par. `points_days`: points end after so many days. `cards` by id; deleted ones are not in.
    `asks_for_codes`: of coupons of these types the partner's own system is to give the code, at once or, while it is
    switched off or removed, once it is back. `hears_of_cancellations`: that system, of coupons that it was told of.
    """

    partner_id: int
    version: int
    revision: int = 0
    currency: str | None = None
    tier_method: TierMethod = TierMethod.AMOUNT_SPENT
    tiers: tuple[Tier, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    referrals: ReferralRules | None = None
    default_cashback: CashbackRule | None = None
    cashback_of: Mapping[int, CashbackRule] = field(default_factory=dict)
    points_days: int | None = None
    value_of_point: Decimal = ZERO
    redemption_is_active: bool = True
    redemption_rules: Mapping[int, RedemptionRule] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    cards: Mapping[int, CardRules] = field(default_factory=dict)
    time_zone: str = "UTC"
    asks_for_codes: frozenset[TermsType] = frozenset()
    hears_of_cancellations: bool = False
    _by_event: Mapping[str, tuple[Campaign, ...]] = field(init=False, repr=False, compare=False)
    _most_coupons: Mapping[str | None, int] = field(init=False, repr=False, compare=False)
    _groups_granted: Mapping[str | None, tuple[str, ...]] = field(
        init=False, repr=False, compare=False
    )
    """All worked out once, since every event asks; of names that campaigns wait for, since others are anybody's."""

    def __post_init__(self) -> None:
        by_event = {
            name: tuple(each for each in self.campaigns if each.trigger.event_name == name)
            for name in {each.trigger.event_name for each in self.campaigns}
        }
        object.__setattr__(self, "_by_event", by_event)
        granted = {name: self._granted_at_most(name) for name in (*by_event, _ANY_OTHER, None)}
        most = {name: len(coupons) for name, coupons in granted.items()}
        object.__setattr__(self, "_most_coupons", most)
        groups = {
            name: tuple(each.group for each in coupons if each.group in self.groups)
            for name, coupons in granted.items()
        }
        object.__setattr__(self, "_groups_granted", groups)

    def campaigns_on(self, event_name: str) -> tuple[Campaign, ...]:
        """Campaigns that events of this name may count towards, by id."""
        return self._by_event.get(event_name, ())

    def most_coupons(self, event_name: str | None) -> int:
        """The most that one event of this name can be granted; None: a friend's completed referral."""
        most = self._most_coupons.get(event_name)
        return self._most_coupons[_ANY_OTHER] if most is None else most

    def groups_granted(self, event_name: str | None) -> tuple[str, ...]:
        """The groups that those may be of, one for each coupon."""
        groups = self._groups_granted.get(event_name)
        return self._groups_granted[_ANY_OTHER] if groups is None else groups

    def groups_of_rule(self, rule_id: int) -> tuple[str, ...]:
        """The group of the coupon that points become by this rule, if it has one."""
        rule = self.redemption_rules.get(rule_id)
        group = rule.terms.group if rule is not None else None
        return () if group is None or group not in self.groups else (group,)

    def _granted_at_most(self, event_name: str | None) -> tuple[Terms, ...]:
        granted = [reward for tier in self.tiers for reward in (tier.entry, tier.lifetime)]
        if self.referrals is not None:
            rules = self.referrals
            granted += [rules.friend] if event_name is not None else [rules.customer, rules.extra]
        if event_name is not None:
            granted += [campaign.reward for campaign in self.campaigns_on(event_name)]
        return tuple(terms for reward in granted for terms in reward.coupons)

    def tier_of(self, standing: Standing) -> TierRef | None:
        """The tier of a customer before an event: the one recorded, the first without a record."""
        if not standing.is_recorded:
            return ref_of(self.tiers[0]) if self.tiers else None
        return standing.tier

    def rates_of(self, tier: Tier | None, profile: Profile) -> Rates:
        """What orders of a customer in this tier earn by."""
        return Rates(
            of_tier=self.cashback_in(tier),
            card=self.cards.get(profile.card_id) if profile.card_id is not None else None,
            default=self.default_cashback,
        )

    def cashback_in(self, tier: Tier | None) -> CashbackRule | None:
        """A tier's own rule, else the one that its earning benefit comes to."""
        if tier is None:
            return None
        if tier.id in self.cashback_of:
            return self.cashback_of[tier.id]
        if tier.earning_factor is None:
            return None
        ranks = self.default_cashback.rank_factor if self.default_cashback is not None else ZERO
        return CashbackRule(threshold=ONE, wallet_factor=tier.earning_factor, rank_factor=ranks)

    def card_of(self, profile: Profile) -> CardRules | None:
        """The card that is held."""
        return self.cards.get(profile.card_id) if profile.card_id is not None else None

    def point_rate(self, card: CardRules | None) -> tuple[Decimal, Decimal]:
        """What points are worth by the default rule: so much money for so many; by the card, where it says both."""
        if card is not None:
            money, points = card.currency_amount_redemption, card.points_per_currency_redemption
            if money and points:
                return money, points
        return self.value_of_point, ONE

    def worth_of(self, points: int, profile: Profile) -> Decimal:
        """What so many points are worth to this customer by the default rule, never rounded up."""
        money, per = self.point_rate(self.card_of(profile))
        return worth(points, money, minor_digits(self.currency), per=per)

    def assigned_card(self) -> CardRules | None:
        """The card that who registers without one is given."""
        fitting = (card for card in self.cards.values() if card.is_active and card.auto_assign)
        return min(fitting, key=lambda card: card.id, default=None)

    def points_end_after(self, profile: Profile) -> tuple[int | None, ...]:
        """The periods, in days, of which the shortest ends points that come in now."""
        card = self.cards.get(profile.card_id) if profile.card_id is not None else None
        return (self.points_days, card.expiration_days if card is not None else None)
