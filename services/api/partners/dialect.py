"""loyalty.lt's dialect, as the edge knows it: bearer tokens, the envelope, and every resource."""

from __future__ import annotations

import re
from typing import Final

from services.api.edge.dialect import LARGEST_BODY_BYTES, Dialect
from services.api.partners import cards, completions, coupons, games, products, shops
from services.api.partners.access import authenticate
from services.api.partners.envelope import REPLAYED, failure

PARTNERS: Final = Dialect(
    name="partners",
    prefix=re.compile(r"/[^/]+/partners(/|$)"),
    routers=(
        games.router,
        completions.router,
        cards.router,
        coupons.router,
        shops.router,
        products.router,
    ),
    authenticate=authenticate,
    failure=failure,
    replayed=REPLAYED,
    larger=((re.compile(r"/[^/]+/partners/cards(/|$)"), LARGEST_BODY_BYTES),),
    security={"partnerToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
)
