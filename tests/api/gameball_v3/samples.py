"""Redemption rules as partners send them, and what is asked of them again and again."""

from __future__ import annotations

from typing import Any

from schemas.gameball_v4.exact_json import read
from tests.api.stand import Partner

RULE, CONFIG = "/rule", "/config"
DEFAULT = "/config/rule"

SUNDAE: dict[str, Any] = {
    "pointsToRedeem": 100,
    "valueOfPoint": 0,
    "ruleType": "free_product_settings",
    "startDate": None,
    "endDate": None,
    "coupon": {
        "couponType": "free_product",
        "discountValue": None,
        "minOrderValue": 100,
        "product": {
            "productId": "6932183449758", "productName": "7 Shakra Bracelet", "productDisplayNames": [],
            "variantId": "40691241877662", "variantName": "Blue",
        },
        "applicableTo": {"collections": [], "productIds": None},
        "group": {"handle": "Free_Sundae"},
    },
    "availableTo": {"level": {"levelId": 12345, "levelName": "Silver"}, "tags": ["VIP"]},
}  # fmt: skip
"""The seed's own."""
NOTHING_KNOWN: dict[str, Any] = {
    "title": None, "url": None, "iconPath": None, "description": None, "maxPerPlayer": None, "startDate": None,
    "expiryDate": None, "isAvailable": False, "isValid": False, "isActive": False,
}  # fmt: skip
"""Of a group that is not there."""
FREE_SHIPPING: dict[str, Any] = {
    "pointsToRedeem": 50,
    "ruleType": "free_shipping_settings",
    "coupon": {},
}


def fixed(**changes: Any) -> dict[str, Any]:
    """A rule for five of whatever the program counts in."""
    coupon = {"discountValue": 5, **changes.pop("coupon", {})}
    return {
        "pointsToRedeem": 100,
        "ruleType": "fixed_rate_settings",
        "coupon": coupon,
        **changes,
    }


async def added(partner: Partner, sent: dict[str, Any]) -> dict[str, Any]:
    """The rule that became of what was sent."""
    answer = await partner.v3("POST", RULE, sent)
    assert answer.status_code == 201, answer.text
    rule: dict[str, Any] = read(answer.content)
    return rule


async def told(partner: Partner, path: str) -> Any:
    """What a GET says."""
    answer = await partner.v3("GET", path)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


async def put(partner: Partner, path: str, sent: dict[str, Any], **more: Any) -> Any:
    """What a PUT says."""
    answer = await partner.v3("PUT", path, sent, **more)
    assert answer.status_code == 200, answer.text
    return read(answer.content)


async def trail(partner: Partner) -> list[tuple[str, str]]:
    """What the audit trail says was done, and to what."""
    rows = await partner.database.fetch(
        "SELECT action, subject_id FROM audit_log WHERE partner_id = $1 ORDER BY id", partner.id
    )
    return [(row["action"], row["subject_id"]) for row in rows]


async def version(partner: Partner) -> int:
    """Of the program."""
    found: int = (await partner.v4("GET", "/settings")).json()["version"]
    return found
