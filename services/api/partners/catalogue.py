"""What shops and products have in common over HTTP: create, list, get, change by merging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from schemas.definitions import Definition, InvalidDefinition
from schemas.fields import rfc3339
from services.adapters.postgres.catalogue import (
    Kind,
    Place,
    insert_place,
    list_places,
    place_by_id,
    update_place,
)
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import once
from services.api.edge.problems import invalid, not_found
from services.api.edge.reply import Reply
from services.api.partners.envelope import success
from services.api.partners.parameters import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of place: its words, its table, and how its fields are read."""

    word: str
    words: str
    kind: Kind
    read: Callable[[Mapping[str, Any]], Definition]


async def create(call: Call, resource: Resource) -> Reply:
    """201 with the new place."""
    fields = _read(resource, await call.json_object())

    async def work(connection: asyncpg.Connection) -> Reply:
        place = await insert_place(connection, resource.kind, call.partner_id, fields)
        await audit.record(
            connection, call, f"{resource.word}.created", place.id, after=place.fields
        )
        message = f"{resource.word.capitalize()} created successfully"
        return success(_body(place), status=201, message=message)

    return await once(call, work)


async def page(call: Call, resource: Resource, page: Page) -> Reply:
    """200 with a page of the partner's places."""
    async with call.reading() as connection:
        places, total = await list_places(
            connection, resource.kind, call.partner_id, offset=page.offset, limit=page.size
        )
    return success(
        {resource.words: [_body(place) for place in places], "pagination": page.body(total)}
    )


async def get(call: Call, resource: Resource, place_id: int) -> Reply:
    """200 with one place; 404."""
    async with call.reading() as connection:
        place = await place_by_id(connection, resource.kind, call.partner_id, place_id)
    if place is None:
        raise not_found(f"{resource.word}_id")
    return success(_body(place))


async def change(call: Call, resource: Resource, place_id: int) -> Reply:
    """200 with the place after these fields were merged into it; 404, 422."""
    fields = await call.json_object()

    async def work(connection: asyncpg.Connection) -> Reply:
        place = await place_by_id(
            connection, resource.kind, call.partner_id, place_id, to_change=True
        )
        if place is None:
            raise not_found(f"{resource.word}_id")
        merged = _read(resource, {**place.fields, **fields})
        changed = await update_place(connection, resource.kind, call.partner_id, place_id, merged)
        await audit.record(
            connection,
            call,
            f"{resource.word}.updated",
            place_id,
            before=place.fields,
            after=changed.fields,
        )
        message = f"{resource.word.capitalize()} updated successfully"
        return success(_body(changed), message=message)

    return await once(call, work)


def _read(resource: Resource, fields: Mapping[str, Any]) -> dict[str, str | None]:
    try:
        return resource.read(fields).model_dump()
    except InvalidDefinition as error:
        raise invalid(error.errors) from None


def _body(place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        **place.fields,
        "created_at": rfc3339(place.created_at),
        "updated_at": rfc3339(place.updated_at),
    }
