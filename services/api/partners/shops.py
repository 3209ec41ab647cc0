"""`/{locale}/partners/shops`: create, list, get, update."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from schemas.fields import MAX_ID
from schemas.partners.answers import ShopAnswer, ShopList
from schemas.partners.catalogue import Shop, read_shop
from services.adapters.postgres.catalogue import SHOPS
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.parameters import Whole
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners import catalogue
from services.api.partners.call import calling
from services.api.partners.description import gives
from services.api.partners.parameters import PageAsked

router = Router(prefix="/{locale}/partners/shops", tags=["shops"])

RESOURCE = catalogue.Resource(catalogue=SHOPS, read=read_shop)
Asked = Annotated[Call, Depends(calling("games"))]
ShopId = Annotated[int, Path(ge=1, le=MAX_ID), Whole]


@router.post(
    "",
    status_code=201,
    responses=gives(201, ShopAnswer, "The new shop.", 400),
    openapi_extra=takes(Shop),
)
async def create_shop(call: Asked) -> Reply:
    """Add a shop."""
    return await catalogue.create(call, RESOURCE)


@router.get("", responses=gives(200, ShopList, "A page of shops."))
async def list_shops(call: Asked, page: PageAsked) -> Reply:
    """List shops in the order of their ids."""
    return await catalogue.page(call, RESOURCE, page)


@router.get("/{shop_id}", responses=gives(200, ShopAnswer, "The shop."))
async def get_shop(call: Asked, shop_id: ShopId) -> Reply:
    """Show a shop."""
    return await catalogue.get(call, RESOURCE, shop_id)


@router.put(
    "/{shop_id}",
    responses=gives(200, ShopAnswer, "The shop as it is now.", 400),
    openapi_extra=takes(Shop, partly=True),
)
async def update_shop(call: Asked, shop_id: ShopId) -> Reply:
    """Change the fields that are given, leave the others."""
    return await catalogue.change(call, RESOURCE, shop_id)
