"""What a coupon is made of: its type in every spelling that the dialects have, ids of the shop, when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, ValidationInfo

from schemas.definitions import refusal
from schemas.gameball_v4.values import (
    Circumstances,
    Reads,
    is_day,
    matching,
    moment,
    storable,
    whole,
    whole_of,
)

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "percentage": (
        "percentage_discount", "percentage_discount_settings", "Fixed Percentage", "Percentage", "enablePercentage",
    ),
    "fixed": ("fixed_discount", "Fixed Amount", "Fixed Discount"),
    "fixed_rate": ("fixed_rate_discount", "fixed_rate_settings", "Fixed Rate Discount", "enableFixedRate"),
    "free_shipping": ("free_shipping_settings", "Free Shipping", "shipping", "enableFreeShipping", "freeShipping"),
    "free_product": ("free_product_settings", "Free Product", "product", "enableFreeProduct", "freeProduct"),
    "custom": ("Custom",),
}  # fmt: skip
"""By the word that we keep. `fixed` and `fixed_rate` differ in how redemption rules call them, in nothing else."""
_WORDS: Final = {
    spelling.casefold(): word
    for word, spellings in SPELLINGS.items()
    for spelling in (word, *spellings)
}
LIVE_WORDS: Final[Mapping[str, str]] = {
    "percentage": "Fixed Percentage",
    "fixed": "Fixed Amount",
    "fixed_rate": "Fixed Amount",
    "free_shipping": "Free Shipping",
    "free_product": "Free Product",
    "custom": "Custom",
}
"""As campaigns, tiers and referrals write them."""
NEEDS_VALUE: Final = frozenset({"percentage", "fixed", "fixed_rate"})
_TYPE = f"Must be one of: {', '.join(dict.fromkeys(LIVE_WORDS.values()))}"
ANY: Final = "Any"
LISTED: Final = 1_000


def _type(value: Any, info: ValidationInfo) -> str:
    word = _WORDS.get(value.casefold()) if isinstance(value, str) else None
    if word is None:
        raise refusal(_TYPE)
    return word


def _outside_id(value: Any, info: ValidationInfo) -> int | str:
    """An id that the partner's shop gives: a number or a text."""
    says = "Must be an id: a whole number, or 1 to 255 characters"
    value = whole_of(value)
    if type(value) is int and 0 <= value < 2**63:
        return value
    if not 1 <= len(storable(value, says)) <= 255:
        raise refusal(says)
    return str(value)


def _collection(value: Any, info: ValidationInfo) -> int | str | dict[str, Any]:
    """An id, or with its name {collectionId, collectionName}; without a name the id alone is kept."""
    if not isinstance(value, dict):
        return _outside_id(value, info)
    sent = {name[:1].lower() + name[1:]: each for name, each in value.items()}
    id_ = _outside_id(sent.get("collectionId"), info)
    name = sent.get("collectionName")
    if name is None:
        return id_
    if not len(storable(name, "Must be a collection")) <= 255:
        raise refusal("Must be a collection")
    return {"collectionId": id_, "collectionName": name}


def collection_id_of(item: Any) -> Any:
    """The id of a collection that is named with or without its name; None where there is none."""
    if isinstance(item, dict):
        return item.get("collectionId", item.get("CollectionId"))
    return item


def _expiry(value: Any, info: ValidationInfo) -> int | str:
    """Days, or an instant or a date as it was sent."""
    value = whole_of(value)
    if type(value) is int and 1 <= value <= 3650:
        return value
    text = refusal("Must be days from 1 to 3650, or an instant such as 2026-12-31T23:59:59Z")
    if type(value) is not str:
        raise text
    given = info.context if isinstance(info.context, Circumstances) else Circumstances()
    try:
        moment(value, given.time_zone, is_end=is_day(value))
    except ValueError:
        raise text from None
    return value


_PREFIX: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ID_LOOKS: Final = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
CouponType = Annotated[str, Reads(_type, {"type": "string"})]
OutsideId = Annotated[int | str, Reads(_outside_id, _ID_LOOKS)]
Collection = Annotated[
    int | str | dict[str, Any],
    Reads(_collection, {"anyOf": [*_ID_LOOKS["anyOf"], {"type": "object"}]}),
]
ProductIds = Annotated[list[OutsideId], Field(max_length=LISTED)]
Collections = Annotated[list[Collection], Field(max_length=LISTED)]
Platform = Annotated[str, matching("Must be 1 to 64 characters", lambda it: 0 < len(it) <= 64, {})]
Prefix = Annotated[
    str,
    matching(
        "Must be up to 12 characters of A-Z and 0-9",
        lambda it: len(it) <= 12 and all(sign in _PREFIX for sign in it),
        {"pattern": "^[A-Z0-9]{0,12}$"},
    ),
]
Expiry = Annotated[int | str, Reads(_expiry, _ID_LOOKS)]
UsageLimit = Annotated[int, whole(1, 10**6)]
