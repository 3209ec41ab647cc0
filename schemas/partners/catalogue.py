"""Shops and products: small things of a partner that games, cards and coupons refer to by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from schemas.definitions import STORABLE, Definition, characters, validated

MESSAGES: Final[Mapping[str, str]] = {
    "name": "Must be between 1 and 255 characters",
    "sku": "Must be between 1 and 255 characters, or null",
}

Name = Annotated[str, characters(1, 255), STORABLE]


class Shop(Definition):
    """Where coupons are taken."""

    name: Name


class Product(Definition):
    """What games and coupons are about; `sku` is the partner's own article number."""

    name: Name
    sku: Name | None = None


def read_shop(fields: Mapping[str, Any], stored: Shop | None = None) -> Shop:
    """A new shop, or `stored` with these fields changed. Raises InvalidDefinition."""
    return validated(Shop, {**(stored.model_dump() if stored else {}), **fields}, MESSAGES)


def read_product(fields: Mapping[str, Any], stored: Product | None = None) -> Product:
    """A new product, or `stored` with these fields changed. Raises InvalidDefinition."""
    return validated(Product, {**(stored.model_dump() if stored else {}), **fields}, MESSAGES)
