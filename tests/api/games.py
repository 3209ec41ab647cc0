"""Games for tests over HTTP, and coupons of them as an issuer would have issued them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services.domain.coupons.codes import codes_from
from tests.api.stand import Partner

WHOLE: dict[str, Any] = {
    "name": "Laimės ratas",
    "description": "Sukite kartą per dieną.",
    "game_type": "wheel",
    "reward_description": "Kava",
}


async def a_game(partner: Partner, **changes: Any) -> dict[str, Any]:
    """A new game, as it was answered."""
    answer = await partner.post("/games", WHOLE | changes)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def a_coupon(
    partner: Partner, game_id: int, customer_id: str = "customer", days_ago: float = 0
) -> str:
    """An active coupon of seven days, issued some days ago; its id."""
    coupon_id = str(uuid4())
    await partner.database.execute(
        """
        WITH customer AS (
            INSERT INTO customers AS c (partner_id, customer_id, last_at) VALUES ($1, $3, now() - $5::interval)
            ON CONFLICT (partner_id, customer_id) DO UPDATE SET last_at = c.last_at
            RETURNING customer_no)
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                             rule_validity_days, rule_allow_multiple, holds_single_place, code)
        SELECT $4, $4, $1, $2, customer_no, now() - $5::interval, now() - $5::interval + interval '168 hours',
               1, 7, true, false, $6
        FROM customer
        """,
        partner.id,
        game_id,
        customer_id,
        coupon_id,
        timedelta(days=days_ago),
        codes_from(os.urandom(10))[0],
    )
    return coupon_id
