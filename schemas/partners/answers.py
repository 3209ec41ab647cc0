"""Envelopes of the partner API's answers, and the small resources in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.fields import Id, Outgoing


class Failure(Outgoing):
    """Why a request was not done. `details` and `error_code` where there is more to say."""

    success: Literal[False]
    code: int
    message: str
    details: dict[str, Any] = Field(default_factory=dict)
    error_code: str = ""
    request_id: str


class InvalidFields(Outgoing):
    """Which fields or parameters break their rules, by dotted path."""

    success: Literal[False]
    code: Literal[422]
    message: str
    errors: dict[str, Annotated[list[str], Field(min_length=1)]]
    request_id: str


class Success(Outgoing):
    """What every success begins with."""

    success: Literal[True]
    code: int


class Done(Success):
    """It was done, and there is nothing to show."""

    message: str


class Pagination(Outgoing):
    """Which part of a list this is."""

    current_page: Id
    per_page: Id
    total: Annotated[int, Field(ge=0)]
    last_page: Id


class ShopBody(Outgoing):
    """A shop as it is shown."""

    id: Id
    name: str
    created_at: str
    updated_at: str


class ShopAnswer(Success):
    """One shop."""

    message: str = ""
    data: ShopBody


class ShopPage(Outgoing):
    """Some of a partner's shops."""

    shops: list[ShopBody]
    pagination: Pagination


class ShopList(Success):
    """A page of shops."""

    data: ShopPage


class ProductBody(ShopBody):
    """A product as it is shown."""

    sku: str | None


class ProductAnswer(Success):
    """One product."""

    message: str = ""
    data: ProductBody


class ProductPage(Outgoing):
    """Some of a partner's products."""

    products: list[ProductBody]
    pagination: Pagination


class ProductList(Success):
    """A page of products."""

    data: ProductPage
