"""What shops and products have in common over HTTP: create, list, get, change by merging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from schemas.definitions import Definition
from schemas.fields import rfc3339
from services.adapters.postgres.catalogue import (
    Catalogue,
    CatalogueEntry,
    entry_by_id,
    insert_entry,
    list_entries,
    unknown_entries,
    update_entry,
)
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import once
from services.api.edge.problems import defined, invalid, not_found
from services.api.edge.reply import Reply
from services.api.partners.envelope import success
from services.api.partners.parameters import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One catalogue, and how its fields are read."""

    catalogue: Catalogue
    read: Callable[[Mapping[str, Any]], Definition]


async def create(call: Call, resource: Resource) -> Reply:
    """201 with the new entry."""
    fields = _read(resource, await call.json_object())

    async def work(connection: asyncpg.Connection) -> Reply:
        entry = await insert_entry(connection, resource.catalogue, call.partner_id, fields)
        await audit.record(
            connection, call, f"{resource.catalogue.word}.created", entry.id, after=entry.fields
        )
        message = f"{resource.catalogue.word.capitalize()} created successfully"
        return success(_body(entry), status=201, message=message)

    return await once(call, work)


async def page(call: Call, resource: Resource, page: Page) -> Reply:
    """200 with a page of the partner's entries."""
    async with call.reading() as connection:
        entries, total = await list_entries(
            connection, resource.catalogue, call.partner_id, offset=page.offset, limit=page.size
        )
    return success(
        {
            resource.catalogue.words: [_body(entry) for entry in entries],
            "pagination": page.body(total),
        }
    )


async def get(call: Call, resource: Resource, entry_id: int) -> Reply:
    """200 with one entry; 404."""
    async with call.reading() as connection:
        entry = await entry_by_id(connection, resource.catalogue, call.partner_id, entry_id)
    if entry is None:
        raise not_found(f"{resource.catalogue.word}_id")
    return success(_body(entry))


async def change(call: Call, resource: Resource, entry_id: int) -> Reply:
    """200 with the entry after these fields were merged into it; 404, 422."""
    fields = await call.json_object()

    async def work(connection: asyncpg.Connection) -> Reply:
        entry = await entry_by_id(
            connection, resource.catalogue, call.partner_id, entry_id, to_change=True
        )
        if entry is None:
            raise not_found(f"{resource.catalogue.word}_id")
        merged = _read(resource, {**entry.fields, **fields})
        changed = await update_entry(
            connection, resource.catalogue, call.partner_id, entry_id, merged
        )
        await audit.record(
            connection,
            call,
            f"{resource.catalogue.word}.updated",
            entry_id,
            before=entry.fields,
            after=changed.fields,
        )
        message = f"{resource.catalogue.word.capitalize()} updated successfully"
        return success(_body(changed), message=message)

    return await once(call, work)


async def require_known(
    connection: asyncpg.Connection, call: Call, catalogue: Catalogue, ids: Sequence[int]
) -> None:
    """Every one must be the partner's own; whose else it may be is not told. 422."""
    unknown = await unknown_entries(connection, catalogue, call.partner_id, ids)
    errors = {
        f"{catalogue.word}_ids.{index}": [f"{catalogue.word.capitalize()} {id} does not exist"]
        for index, id in enumerate(ids)
        if id in unknown
    }
    if errors:
        raise invalid(errors)


def _read(resource: Resource, fields: Mapping[str, Any]) -> dict[str, str | None]:
    return defined(resource.read, fields).model_dump()


def _body(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        **entry.fields,
        "created_at": rfc3339(entry.created_at),
        "updated_at": rfc3339(entry.updated_at),
    }
