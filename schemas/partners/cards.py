"""A loyalty card as partners define it: shown to customers, and later the rules of its points.

Decisions, where the seed leaves a choice:

* An update names what changes, also inside `title` and `card_design`; `description` and `terms_conditions` are
  objects of texts by language and are replaced whole. The merged whole obeys the same rules.
* `card_design` may be empty; of what it holds only the fields named here are kept.
* Images are data URIs of PNG, JPEG, GIF or WebP in base64, up to 1 MiB each once decoded. Not SVG: it can hold scripts.
* Points are whole and not negative; rates are exact decimals above 0, as all money is: never a float. What was stored
  when more digits were taken stays as it is until it is changed.
* `default_coupon_validity_days` is deprecated: stored and returned, used for nothing. A game's own value counts.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from schemas.definitions import STORABLE, Definition, characters, refusal, validated
from schemas.fields import Ids, as_money

LARGEST_IMAGE_BYTES: Final = 1024 * 1024
MAX_POINTS: Final = 2**31 - 1
LONGEST_TEXT: Final = 10_000
LONGEST_LANGUAGE: Final = 35

IMAGE = f"Must be an image as a data URI in base64, up to {LARGEST_IMAGE_BYTES} bytes"
COLOUR = "Must be a colour written #RRGGBB"
TITLE = "Must be between 1 and 255 characters"
TEXTS = f"Must be an object of texts by language, each up to {LONGEST_TEXT} characters"
POINTS = f"Must be a whole number between 0 and {MAX_POINTS}"
POINTS_OR_NULL = POINTS + ", or null"
RATE = "Must be a number above 0"
RATE_DIGITS = "Must have at most 12 digits before the point and 6 after it"
RATES: Final = (
    "points_per_currency", "currency_amount", "points_per_currency_redemption", "currency_amount_redemption",
)  # fmt: skip
BOOLEAN = "Must be true or false"
MESSAGES: Final[Mapping[str, str]] = {
    "title": "Must be an object of texts by language",
    "title.en": TITLE,
    "title.lt": TITLE,
    "description": TEXTS,
    "terms_conditions": TEXTS,
    "card_design": "Must be an object",
    "card_design.logo": IMAGE,
    "card_design.background_image": IMAGE,
    "card_design.text_color": COLOUR,
    "card_design.text_color_labels": COLOUR,
    "card_design.qr_background_color": COLOUR,
    "card_design.qr_color": COLOUR,
    "card_design.background_color": COLOUR,
    "card_design.background_color_opacity": "Must be a number between 0 and 1",
    "is_active": BOOLEAN,
    "auto_assign": BOOLEAN,
    "points_enabled": BOOLEAN,
    "shop_ids": "Must be a list of shop ids",
    "shop_ids.*": "Must be a shop id",
    "initial_bonus_points": POINTS,
    "points_expiration_days": POINTS_OR_NULL,
    "points_per_currency": RATE,
    "currency_amount": RATE,
    "round_points_up": BOOLEAN,
    "min_points_per_purchase": POINTS,
    "max_points_per_purchase": POINTS_OR_NULL,
    "points_per_visit": POINTS,
    "points_redemption_enabled": BOOLEAN,
    "points_per_currency_redemption": RATE,
    "currency_amount_redemption": RATE,
    "min_points_for_redemption": POINTS,
    "max_points_per_redemption": POINTS_OR_NULL,
    "default_coupon_validity_days": "The default coupon validity days field must be between 1 and 3650.",
}

_image_parts = re.compile(
    r"data:image/(?:png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})"
).fullmatch


def _image(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = _image_parts(value.strip())
    try:
        size = len(base64.b64decode(parts[1], validate=True)) if parts else 0
    except binascii.Error:
        size = 0
    if not 0 < size <= LARGEST_IMAGE_BYTES:
        raise ValueError("no image, or too large")
    return value.strip()


def _rate(value: Any) -> Decimal:
    if type(value) not in (int, Decimal) or not value > 0:
        raise refusal(RATE)
    exact = as_money(Decimal(value))
    if exact is None:
        raise refusal(RATE_DIGITS)
    return exact


def _share(value: Any) -> Any:
    """What is no money may be a float."""
    return float(value) if type(value) is Decimal else value


Title = Annotated[str, characters(1, 255), STORABLE]
Texts = Annotated[
    dict[
        Annotated[str, characters(1, LONGEST_LANGUAGE), STORABLE],
        Annotated[str, characters(0, LONGEST_TEXT), STORABLE],
    ],
    Field(max_length=50),
]
Image = Annotated[str, BeforeValidator(_image), Field(json_schema_extra={"format": "data-uri"})]
Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
Points = Annotated[int, Field(ge=0, le=MAX_POINTS)]
Rate = Annotated[
    Decimal,
    PlainValidator(_rate),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**12}),
]
Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)]


class CardTitle(Definition):
    """What the card is called, in both languages."""

    en: Title
    lt: Title


class CardDesign(Definition):
    """How the card looks."""

    logo: Image | None = None
    background_image: Image | None = None
    text_color: Colour | None = None
    text_color_labels: Colour | None = None
    qr_background_color: Colour | None = None
    qr_color: Colour | None = None
    background_color: Colour | None = None
    background_color_opacity: Share | None = None


class Card(Definition):
    """A whole, valid card."""

    title: CardTitle
    description: Texts
    terms_conditions: Texts
    card_design: CardDesign
    is_active: bool = True
    auto_assign: bool = True
    points_enabled: bool = True
    shop_ids: Ids = Field(default_factory=list)
    initial_bonus_points: Points | None = None
    points_expiration_days: Points | None = None
    points_per_currency: Rate | None = None
    currency_amount: Rate | None = None
    round_points_up: bool | None = None
    min_points_per_purchase: Points | None = None
    max_points_per_purchase: Points | None = None
    points_per_visit: Points | None = None
    points_redemption_enabled: bool | None = None
    points_per_currency_redemption: Rate | None = None
    currency_amount_redemption: Rate | None = None
    min_points_for_redemption: Points | None = None
    max_points_per_redemption: Points | None = None
    default_coupon_validity_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, deprecated=True
    )

    @model_validator(mode="before")
    @classmethod
    def _title_names_its_leaves(cls, fields: Any) -> Any:
        """A card without a title lacks both of its texts: errors name the missing leaf."""
        if isinstance(fields, dict) and fields.get("title") is None:
            return {**fields, "title": {}}
        return fields

    @field_validator("max_points_per_purchase")
    @classmethod
    def _purchase_limits_fit(cls, most: int | None, info: ValidationInfo) -> int | None:
        return _at_least(most, info, "min_points_per_purchase")

    @field_validator("max_points_per_redemption")
    @classmethod
    def _redemption_limits_fit(cls, most: int | None, info: ValidationInfo) -> int | None:
        return _at_least(most, info, "min_points_for_redemption")


def _at_least(most: int | None, info: ValidationInfo, field: str) -> int | None:
    least = info.data.get(field)
    if most is not None and least is not None and most < least:
        raise refusal(f"Must not be less than {field}")
    return most


def read_card(fields: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> Card:
    """A new card, or the `stored` fields with these changed. Raises InvalidDefinition."""
    merged = {**(stored or {}), **fields}
    for name in ("title", "card_design"):
        if stored and isinstance(fields.get(name), dict):
            merged[name] = {**stored[name], **fields[name]}
    kept = _unchanged_rates(fields, stored or {})
    card = validated(Card, {name: merged[name] for name in merged.keys() - kept}, MESSAGES)
    return card.model_copy(update=kept)


def _unchanged_rates(fields: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Decimal]:
    """Rates that are there and stay: however many digits they have, nobody sends them now."""
    return {
        name: Decimal(stored[name])
        for name in RATES
        if stored.get(name) is not None
        and (name not in fields or _is_same(fields[name], stored[name]))
    }


def _is_same(sent: Any, rate: int | Decimal) -> bool:
    return type(sent) in (int, Decimal) and bool(sent == rate)
