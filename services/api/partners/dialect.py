"""loyalty.lt's dialect, as the edge knows it: bearer tokens, the envelope, and every resource."""

from __future__ import annotations

import re
from typing import Final

from services.api.edge.description import BEARER
from services.api.edge.dialect import LARGEST_BODY_BYTES, Dialect
from services.api.edge.slashes import with_slashes_kept
from services.api.partners import (
    card_customers,
    cards,
    completions,
    coupons,
    games,
    products,
    shops,
)
from services.api.partners.access import authenticate
from services.api.partners.envelope import REPLAYED, failure

NOWHERE: Final = "/en/partners/"
"""Of paths that can name nothing."""


def canonical(path: str, raw: bytes) -> str:
    """The path that routes know."""
    return with_slashes_kept(path, raw) or NOWHERE


PARTNERS: Final = Dialect(
    name="partners",
    prefix=re.compile(r"/[^/]+/partners(/|$)"),
    routers=(
        games.router,
        completions.router,
        cards.router,
        card_customers.router,
        coupons.router,
        shops.router,
        products.router,
    ),
    authenticate=authenticate,
    failure=failure,
    replayed=REPLAYED,
    larger=((re.compile(r"/[^/]+/partners/cards(/|$)"), LARGEST_BODY_BYTES),),
    security={"partnerToken": BEARER},
    canonical=canonical,
)
