"""`/{locale}/partners/products`: create, list, get, update."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from schemas.fields import MAX_ID
from schemas.partners.answers import ProductAnswer, ProductList
from schemas.partners.catalogue import Product, read_product
from services.adapters.postgres.catalogue import PRODUCTS
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.parameters import Whole
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners import catalogue
from services.api.partners.call import calling
from services.api.partners.description import gives
from services.api.partners.parameters import PageAsked

router = Router(prefix="/{locale}/partners/products", tags=["products"])

RESOURCE = catalogue.Resource(catalogue=PRODUCTS, read=read_product)
Asked = Annotated[Call, Depends(calling("games"))]
ProductId = Annotated[int, Path(ge=1, le=MAX_ID), Whole]


@router.post(
    "",
    status_code=201,
    responses=gives(201, ProductAnswer, "The new product.", 400),
    openapi_extra=takes(Product),
)
async def create_product(call: Asked) -> Reply:
    """Add a product."""
    return await catalogue.create(call, RESOURCE)


@router.get("", responses=gives(200, ProductList, "A page of products."))
async def list_products(call: Asked, page: PageAsked) -> Reply:
    """List products in the order of their ids."""
    return await catalogue.page(call, RESOURCE, page)


@router.get("/{product_id}", responses=gives(200, ProductAnswer, "The product."))
async def get_product(call: Asked, product_id: ProductId) -> Reply:
    """Show a product."""
    return await catalogue.get(call, RESOURCE, product_id)


@router.put(
    "/{product_id}",
    responses=gives(200, ProductAnswer, "The product as it is now.", 400),
    openapi_extra=takes(Product, partly=True),
)
async def update_product(call: Asked, product_id: ProductId) -> Reply:
    """Change the fields that are given, leave the others."""
    return await catalogue.change(call, RESOURCE, product_id)
