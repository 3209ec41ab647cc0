"""Loyalty cards as the partner API shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from schemas.fields import Id, KnownCustomerId, Outgoing
from schemas.partners.answers import Pagination, Success
from schemas.partners.cards import Card

Instant = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}),
]
"""UTC without decimals."""
Texts = dict[str, str]
Validity = Annotated[int | None, Field(deprecated=True)]


class CardInList(Outgoing):
    """What a list shows of a card."""

    id: Id
    title: Texts
    is_active: bool
    default_coupon_validity_days: Validity
    created_at: Instant
    updated_at: Instant


class NewCard(CardInList):
    """What is shown of a card just created."""

    description: Texts


class ChangedCard(Outgoing):
    """What is shown of a card just changed."""

    id: Id
    title: Texts
    default_coupon_validity_days: Validity
    updated_at: Instant


class CardBody(Card):
    """A whole card."""

    id: Id
    created_at: Instant
    updated_at: Instant


class CardCreated(Success):
    """A card was added."""

    message: str
    data: NewCard


class CardChanged(Success):
    """A card was changed."""

    message: str
    data: ChangedCard


class CardAnswer(Success):
    """One card."""

    message: str
    data: CardBody


class CardList(Success):
    """A page of cards."""

    message: str
    data: list[CardInList]
    pagination: Pagination


class CardHolder(Outgoing):
    """A customer who holds a card."""

    customer_id: KnownCustomerId
    since: Instant


class CardHolders(Success):
    """Some of the customers who hold a card."""

    message: str
    data: list[CardHolder]
    pagination: Pagination
