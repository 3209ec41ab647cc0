"""What orders earn: by default, and in each tier that has a rule of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final

from pydantic import Field, model_validator

from schemas.gameball_v4.reading import Part, refused_at
from schemas.gameball_v4.values import Money, Name, PositiveMoney

MOST_RULES: Final = 50


class CashbackRule(Part):
    """`rewardWalletFactor` points per `amountRewardThreshold`, `rewardRankFactor` score per unit of money."""

    computed: ClassVar = frozenset({"rewardFactor", "derived"})
    amount_reward_threshold: PositiveMoney
    reward_wallet_factor: Money
    reward_rank_factor: Money = Field(default_factory=Decimal)


class TierCashbackRule(CashbackRule):
    """The same in one tier, instead of the default."""

    tier_name: Name


class Cashback(Part):
    """All rules. Stored by the ids of tiers, so that a rule follows its tier."""

    default_cashback_rule: CashbackRule | None = None
    tier_cashback_rules: Annotated[list[TierCashbackRule], Field(max_length=MOST_RULES)] = Field(
        default_factory=list
    )

    @model_validator(mode="after")
    def _has_one_rule_a_tier(self) -> Cashback:
        seen: set[str] = set()
        for index, rule in enumerate(self.tier_cashback_rules):
            if rule.tier_name in seen:
                at = f"tierCashbackRules.{index}.tierName"
                raise refused_at({at: "Is the tier of another rule"})
            seen.add(rule.tier_name)
        return self
