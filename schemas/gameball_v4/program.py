"""A partner's program as its eight sections: read from what is stored, and stored again.

Stored is one JSON member per section, whole and with its defaults; a section that was never set is not there. Cashback
is stored by the ids of tiers, secrets of `coupon` sealed, everything else as it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from schemas.gameball_v4.campaigns import Campaign
from schemas.gameball_v4.cashback import Cashback, TierCashbackRule
from schemas.gameball_v4.coupon_groups import CouponGroup
from schemas.gameball_v4.coupon_webhook import CouponWebhook
from schemas.gameball_v4.reading import Part, storable, validated
from schemas.gameball_v4.redemption import Redemption
from schemas.gameball_v4.referrals import Referrals
from schemas.gameball_v4.settings import ProgramSettings
from schemas.gameball_v4.tiers import Tier, Tiers
from schemas.gameball_v4.values import Circumstances

SECTIONS: Final = (
    "settings", "tiers", "campaigns", "referrals", "cashback", "redemption", "couponGroups", "coupon",
)  # fmt: skip
"""In the order in which they are shown."""
MOST_CAMPAIGNS: Final = 1_000
MOST_GROUPS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """`tiers` ascend by order, `campaigns` by id with new ones last, `coupon_groups` as they were given.

    `time_zone` is the partner's: bare dates are its days. `highest_id` is of every item there ever was, so that no
    later one has the id of one that is gone.
    """

    time_zone: str = "UTC"
    highest_id: int = 0
    settings: ProgramSettings = field(default_factory=ProgramSettings)
    tiers: tuple[Tier, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    referrals: Referrals = field(default_factory=Referrals)
    cashback: Cashback = field(default_factory=Cashback)
    redemption: Redemption = field(default_factory=Redemption)
    coupon_groups: tuple[CouponGroup, ...] = ()
    coupon: CouponWebhook | None = None

    @property
    def circumstances(self) -> Circumstances:
        """For reading what is sent now."""
        return Circumstances(time_zone=self.time_zone)

    def campaign(self, campaign_id: int) -> Campaign | None:
        """The campaign of this id."""
        return next((each for each in self.campaigns if each.id == campaign_id), None)

    def group(self, handle: str) -> CouponGroup | None:
        """The group of this handle."""
        return next((each for each in self.coupon_groups if each.handle == handle), None)

    def tier_named(self, name: str) -> Tier | None:
        """The tier of this name."""
        return next((tier for tier in self.tiers if tier.name == name), None)

    def derived(self, tier: Tier) -> TierCashbackRule | None:
        """The cashback rule that a tier's earning benefit comes to."""
        if tier.earning_factor is None:
            return None
        default = self.cashback.default_cashback_rule
        ranks = default.reward_rank_factor if default is not None else 0
        return TierCashbackRule.model_validate(
            {
                "tierName": tier.name,
                "amountRewardThreshold": 1,
                "rewardWalletFactor": tier.earning_factor,
                "rewardRankFactor": ranks,
            }
        )


def stored_of(sections: Sections) -> dict[str, Any]:
    """What is stored, a member for each section that is set. Every item has its id."""
    ids = {tier.name: tier.id for tier in sections.tiers}
    cashback = storable(sections.cashback)
    for rule in cashback["tierCashbackRules"]:
        rule["tierId"] = ids[rule.pop("tierName")]
    coupon = {} if sections.coupon is None else {"coupon": storable(sections.coupon)}
    return {
        "highestId": sections.highest_id,
        "settings": storable(sections.settings),
        "tiers": storable(sections.tiers),
        "campaigns": storable(sections.campaigns),
        "referrals": storable(sections.referrals),
        "cashback": cashback,
        "redemption": storable(sections.redemption),
        "couponGroups": storable(sections.coupon_groups),
        **coupon,
    }


def sections_from(
    stored: Mapping[str, Any], time_zone: str, default_rule_id: int | None = None
) -> Sections:
    """The sections in what is stored. `default_rule_id`: of the default rule, as long as nothing stored says it."""
    given = Circumstances(time_zone=time_zone, is_stored=True)

    def part(model: type[Part], name: str) -> Any:
        return validated(model, stored.get(name, {}), given, name)

    def parts(model: type[Part], name: str) -> tuple[Any, ...]:
        return tuple(validated(model, each, given, name) for each in stored.get(name, ()))

    tiers = validated(Tiers, {"tiers": stored.get("tiers", [])}, given).tiers
    return Sections(
        time_zone=time_zone,
        highest_id=stored.get("highestId", 0),
        settings=part(ProgramSettings, "settings"),
        tiers=tuple(tiers),
        campaigns=parts(Campaign, "campaigns"),
        referrals=part(Referrals, "referrals"),
        cashback=_cashback(stored.get("cashback", {}), tiers, given),
        redemption=part(Redemption, "redemption").with_default(default_rule_id),
        coupon_groups=parts(CouponGroup, "couponGroups"),
        coupon=part(CouponWebhook, "coupon") if "coupon" in stored else None,
    )


def _cashback(stored: Mapping[str, Any], tiers: Sequence[Tier], given: Circumstances) -> Cashback:
    names = {tier.id: tier.name for tier in tiers}
    rules = [
        {**rule, "tierName": names[rule["tierId"]]} for rule in stored.get("tierCashbackRules", ())
    ]
    return validated(Cashback, {**stored, "tierCashbackRules": rules}, given, "cashback")


def missing_ids(sections: Sections) -> int:
    """How many items have no id yet; the default rule may be one of them where none is kept for it."""
    return sum(item.id is None for item in _items(sections))


def with_ids(sections: Sections, ids: Iterator[int]) -> Sections:
    """The same, every item with an id: its own, or one of these above all that this partner ever had."""
    highest = max([sections.highest_id, *(item.id or 0 for item in _items(sections))])

    def named(item: Any) -> Any:
        nonlocal highest
        if item.id is not None:
            return item
        highest = max(highest + 1, next(ids))
        return item.model_copy(update={"id": highest})

    redemption = sections.redemption
    changes: dict[str, Any] = {"rules": [named(rule) for rule in redemption.rules]}
    if redemption != Redemption():
        changes["default_rule"] = named(redemption.default_rule)
    tiers = tuple(named(tier) for tier in sections.tiers)
    campaigns = tuple(named(campaign) for campaign in sections.campaigns)
    return replace(
        sections,
        tiers=tiers,
        campaigns=campaigns,
        redemption=redemption.model_copy(update=changes),
        highest_id=highest,
    )


def _items(sections: Sections) -> list[Any]:
    """What has an id of ours, or is to have one."""
    redemption = sections.redemption
    default = [redemption.default_rule] if redemption != Redemption() else []
    return [*sections.tiers, *sections.campaigns, *redemption.rules, *default]
