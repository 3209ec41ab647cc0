"""Groups of coupons, their pools, and coupons that were issued, for tests of where codes come from."""

from __future__ import annotations

import json
from uuid import uuid4

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.pools import Added, add_codes, open_pool

OURS = "0123456789ABCDEZ"
"""A code of ours as it is stored: the last symbol checks the others."""
_COUPON = """
    WITH owner AS (INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($2, $1::uuid::text, now()) RETURNING customer_no)
    INSERT INTO coupons (id, event_key, partner_id, customer_no, issued_at, holds_single_place, code, code_prefix, source_kind,
                         source_id, terms, program_version, external_code, code_from)
    SELECT $1, $1, $2, customer_no, now(), false, $3, $4, 'campaign', '1', $5, 1, $6, CASE WHEN $6::text IS NOT NULL THEN 'webhook' END
    FROM owner
"""


async def a_coupon(
    connection: Connection,
    partner_id: int,
    code: str,
    *,
    prefix: str = "",
    external: str | None = None,
    group: str | None = None,
) -> None:
    """A coupon that a campaign has granted, of this code of ours."""
    terms = json.dumps({"group": group})
    await connection.execute(_COUPON, uuid4(), partner_id, code, prefix, terms, external)


async def filled(connection: Connection, partner_id: int, handle: str, *codes: str) -> Added:
    """The group has been given these codes."""
    async with connection.transaction():
        added = await add_codes(connection, partner_id, handle, codes)
        if added.accepted:
            await open_pool(connection, partner_id, handle)
        return added


async def made(
    connection: Connection, partner_id: int, handle: str, code: str, own: str, prefix: str = ""
) -> None:
    """A code of ours waits in the group's pool."""
    await connection.execute(
        "INSERT INTO pool_codes (partner_id, handle, code, own_code, own_prefix, run) VALUES ($1, $2, $3, $4, $5, $6)",
        partner_id, handle, code, own, prefix, uuid4(),
    )  # fmt: skip


async def issued(connection: Connection, partner_id: int, *codes: str) -> None:
    """Coupons have taken these codes."""
    await connection.execute(
        "UPDATE pool_codes SET coupon_id = gen_random_uuid() WHERE partner_id = $1 AND code = ANY($2::text[])",
        partner_id, list(codes),
    )  # fmt: skip


async def pool_of(connection: Connection, partner_id: int, handle: str) -> list[str]:
    """The codes that a group has not issued, in the order in which it will."""
    rows = await connection.fetch(
        "SELECT code FROM pool_codes WHERE partner_id = $1 AND handle = $2 AND coupon_id IS NULL ORDER BY number",
        partner_id, handle,
    )  # fmt: skip
    return [row["code"] for row in rows]
