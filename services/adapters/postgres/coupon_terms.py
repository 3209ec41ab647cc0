"""Terms of a coupon as JSON: how they are stored beside it and in a program, and read back. Amounts are texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import orjson

from services.domain.exact import text_or_none
from services.domain.terms import CombinesWith, Terms, TermsType

_SECONDS: Final = timedelta(seconds=1)


def stored_terms(terms: Terms) -> dict[str, Any]:
    """What JSON holds of them; what says nothing is left out."""
    combines = terms.combines_with
    found: dict[str, Any] = {
        "type": terms.type.value,
        "usage_limit": terms.usage_limit,
        "value": text_or_none(terms.value),
        "currency": terms.currency,
        "min_order_value": text_or_none(terms.min_order_value),
        "capping": text_or_none(terms.capping),
        "combines_with": None if combines is None else asdict(combines),
        "product_ids": list(terms.product_ids),
        "collection_ids": list(terms.collection_ids),
        "platforms": list(terms.platforms),
        "group": terms.group,
        "code_prefix": terms.code_prefix,
        "expires_after_seconds": None
        if terms.expires_after is None
        else terms.expires_after // _SECONDS,
        "expires_at": None if terms.expires_at is None else terms.expires_at.isoformat(),
        "lifetime_of": terms.lifetime_of,
        "is_fixed_rate": terms.is_fixed_rate or None,
    }
    return {name: value for name, value in found.items() if value not in (None, [], "")}


def terms_from(stored: Mapping[str, Any]) -> Terms:
    """The same terms. KeyError, ValueError of what this release does not know."""
    combines = stored.get("combines_with")
    seconds, ends = stored.get("expires_after_seconds"), stored.get("expires_at")
    return Terms(
        type=TermsType(stored["type"]),
        value=_decimal(stored.get("value")),
        currency=stored.get("currency"),
        min_order_value=_decimal(stored.get("min_order_value")),
        capping=_decimal(stored.get("capping")),
        usage_limit=stored["usage_limit"],
        combines_with=None if combines is None else CombinesWith(**combines),
        product_ids=tuple(stored.get("product_ids", ())),
        collection_ids=tuple(stored.get("collection_ids", ())),
        platforms=tuple(stored.get("platforms", ())),
        group=stored.get("group"),
        code_prefix=stored.get("code_prefix", ""),
        expires_after=None if seconds is None else timedelta(seconds=seconds),
        expires_at=None if ends is None else datetime.fromisoformat(ends),
        lifetime_of=stored.get("lifetime_of"),
        is_fixed_rate=stored.get("is_fixed_rate", False),
    )


@lru_cache(maxsize=4096)  # all coupons of one rule or campaign say the same
def terms_of(text: str) -> Terms:
    """The terms that this JSON holds, parsed once. Raises like `terms_from`, each time anew."""
    return terms_from(orjson.loads(text))


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
