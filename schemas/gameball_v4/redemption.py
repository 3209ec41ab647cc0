"""What points can be redeemed for: the default rule, which gives a point its value, and rules for coupons."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, model_validator

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.campaigns import Tags
from schemas.gameball_v4.reading import Part, Refused, refused_at
from schemas.gameball_v4.terms import RuleCoupon, wrong_worth
from schemas.gameball_v4.values import (
    MOST,
    End,
    Flag,
    Id,
    Money,
    Name,
    Start,
    Text,
    one_of,
    whole,
)

GENERAL: Final = "general_settings"
FREE_SHIPPING: Final = "free_shipping_settings"
COUPON_OF_RULE: Final[Mapping[str, str]] = {
    FREE_SHIPPING: "free_shipping",
    "percentage_discount_settings": "percentage",
    "free_product_settings": "free_product",
    "fixed_rate_settings": "fixed_rate",
    "custom": "custom",
}
MOST_RULES: Final = 1_000
_SECOND: Final = "Is a second rule for free shipping, of which there can be one"


class SecondFreeShipping(InvalidDefinition):
    """There is a rule for free shipping already, and a partner has one."""

    def __init__(self) -> None:
        super().__init__({"redemption.rules": [_SECOND]})


class DefaultRule(Part):
    """What a point is worth. It exists from the start."""

    id: Id | None = None
    value_of_point: Money = Field(default_factory=Decimal)
    is_active: Flag = True


class Level(Part):
    """That very tier, by id, by name where no id is given."""

    level_id: Id | None = None
    level_name: Name | None = None


class AvailableTo(Part):
    """Whom a rule is for."""

    level: Level | None = None
    tags: Tags = Field(default_factory=list)


class RedemptionRule(Part):
    """Points into a coupon. `pointsToRedeem` null, of general settings only: the whole balance."""

    computed: ClassVar = frozenset({"creationDate"})
    id: Id | None = None
    points_to_redeem: Annotated[int, whole(1, MOST)] | None
    value_of_point: Money = Field(default_factory=Decimal)
    rule_type: Annotated[str, one_of(*COUPON_OF_RULE, GENERAL)]
    start_date: Start | None = None
    end_date: End | None = None
    coupon: RuleCoupon
    available_to: AvailableTo = Field(default_factory=AvailableTo)
    is_active: Flag = True
    how_to_redeem: Text | None = None

    @classmethod
    def settle(cls, sent: dict[str, Any], refused: Refused) -> None:
        if sent.get("ruleType") == "general_setting":
            sent["ruleType"] = GENERAL

    @model_validator(mode="before")
    @classmethod
    def _general_settings_cost_everything(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("ruleType") == GENERAL:
            return {"pointsToRedeem": None, **fields}
        return fields

    @model_validator(mode="after")
    def _fits_its_type(self) -> RedemptionRule:
        wrong: dict[str, str] = {}
        own = COUPON_OF_RULE.get(self.rule_type)
        if self.points_to_redeem is None and own is not None:
            wrong["pointsToRedeem"] = "The pointsToRedeem field is required."
        if self.start_date and self.end_date and self.end_date < self.start_date:
            wrong["endDate"] = "Must not be before startDate"
        type_ = self.coupon.coupon_type or own
        if own is not None and type_ is not None:
            for path, text in wrong_worth(self.coupon, type_).items():
                wrong[f"coupon.{path}"] = text
        if wrong:
            raise refused_at(wrong)
        if type_ == self.coupon.coupon_type:
            return self
        coupon = self.coupon.model_copy(update={"coupon_type": type_})
        return self.model_copy(update={"coupon": coupon})

    @property
    def is_free_shipping(self) -> bool:
        """Of which a partner has one, by either type."""
        return self.rule_type == FREE_SHIPPING or self.coupon.coupon_type == "free_shipping"


class RedemptionSettings(Part):
    """`isRedemptionActive` false: nothing can be redeemed. `pointsExpiryPeriod`: days, null for ever."""

    is_redemption_active: Flag = True
    points_expiry_period: Annotated[int, whole(1, 7300)] | None = None


class Redemption(RedemptionSettings):
    """What holds for all of it, and every rule."""

    default_rule: DefaultRule = Field(default_factory=DefaultRule)
    rules: Annotated[list[RedemptionRule], Field(max_length=MOST_RULES)] = Field(
        default_factory=list
    )

    def rule(self, rule_id: int) -> RedemptionRule | None:
        """The rule of this id; the default rule is none of these."""
        return next((each for each in self.rules if each.id == rule_id), None)

    @property
    def settings(self) -> RedemptionSettings:
        """What holds for all of it."""
        return RedemptionSettings(
            is_redemption_active=self.is_redemption_active,
            points_expiry_period=self.points_expiry_period,
        )

    def with_default(self, id_: int | None) -> Redemption:
        """The same; the default rule has this id if it has none of its own."""
        if id_ is None or self.default_rule.id is not None:
            return self
        rule = self.default_rule.model_copy(update={"id": id_})
        return self.model_copy(update={"default_rule": rule})

    @model_validator(mode="after")
    def _has_one_of_each(self) -> Redemption:
        wrong: dict[str, str] = {}
        shipping = [index for index, rule in enumerate(self.rules) if rule.is_free_shipping]
        for index in shipping[1:]:
            wrong[f"rules.{index}"] = _SECOND
        seen = {self.default_rule.id} - {None}
        for index, rule in enumerate(self.rules):
            if rule.id is not None and rule.id in seen:
                wrong[f"rules.{index}.id"] = "Is that of another rule"
            seen.add(rule.id)
        if wrong:
            raise refused_at(wrong)
        return self
