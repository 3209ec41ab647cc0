"""Lists of a partner with more coupons than anybody counts: a page costs what lies before it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from services.adapters.postgres.queries import queries
from services.api.partners import staff_lists
from services.api.partners.staff_lists import walking
from services.domain.coupons.coupon import CouponStatus
from tests.api.games import a_game
from tests.api.staff_stand import STAFF
from tests.api.stand import Partner

MANY = 2_000


async def _plant(partner: Partner, game_id: int, number: int, status: str = "active") -> None:
    """So many coupons of one customer, all of them of this shop."""
    await partner.database.execute(
        """
        WITH customer AS (
            INSERT INTO customers AS c (partner_id, customer_id, last_at) VALUES ($1, 'planted', now())
            ON CONFLICT (partner_id, customer_id) DO UPDATE SET last_at = c.last_at RETURNING customer_no
        )
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                             rule_allow_multiple, holds_single_place, code, status, redeemed_at)
        SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, customer_no, now(), 1, true, false,
               translate(upper(substr(md5($2::bigint || '-' || $4 || n), 1, 16)), 'ILOU', '1100'), $4,
               CASE WHEN $4 = 'redeemed' THEN now() END
        FROM customer, generate_series(1, $3) AS n
        """,
        partner.id,
        game_id,
        number,
        status,
    )
    await partner.database.execute("ANALYZE coupons")


async def _page(partner: Partner, query: str) -> tuple[list[str], dict[str, Any]]:
    answer = await partner.get(f"{STAFF}?shop_id={partner.shop_id}&{query}")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return [coupon["coupon_id"] for coupon in data["coupons"]], data["pagination"]


async def test_pages_of_all_statuses_are_one_list(partner: Partner, stranger: Partner) -> None:
    """Page after page, by whatever status, gives each coupon once, newest first, and nobody else's."""
    game_id = (await a_game(partner))["id"]
    await _plant(stranger, (await a_game(stranger))["id"], 20)
    for status in ("active", "redeemed", "expired", "cancelled"):
        await _plant(partner, game_id, 7, status)
    for status, number in (("all", 28), ("redeemed", 7), ("expired", 7)):
        ids: list[str] = []
        for page in range(1, 1 + -(-number // 5)):
            found, pagination = await _page(partner, f"status={status}&per_page=5&page={page}")
            assert (pagination["total"], pagination["last_page"]) == (number, -(-number // 5))
            ids += found
        assert ids == sorted(set(ids), reverse=True)
        assert len(ids) == number


async def test_list_is_counted_up_to_a_bound(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly below it; beyond, there is a next page as long as there is one, and a page after the last is empty."""
    monkeypatch.setattr(staff_lists, "COUNTED_AT_MOST", 10)
    await _plant(partner, (await a_game(partner))["id"], 23)
    totals = []
    for page in range(1, 8):
        ids, pagination = await _page(partner, f"per_page=4&page={page}")
        assert len(ids) == min(4, max(0, 23 - 4 * (page - 1)))
        assert pagination["last_page"] > page or page >= 6
        totals.append(pagination["total"])
    assert totals == [10, 10, 13, 17, 21, 23, 10]
    monkeypatch.setattr(staff_lists, "COUNTED_AT_MOST", 24)
    for page in (1, 6, 7, 2**40):
        ids, pagination = await _page(partner, f"per_page=4&page={page}")
        assert (pagination["total"], pagination["last_page"]) == (23, 6)


@pytest.mark.parametrize("status", ["active", "redeemed", "expired", "cancelled", "all"])
@pytest.mark.parametrize("gathered_at_most", [5, 1_000])
async def test_list_of_a_game_is_the_same_gathered_or_walked(
    partner: Partner, status: str, gathered_at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a game has few coupons of a status or many."""
    monkeypatch.setattr(staff_lists, "GATHERED_AT_MOST", gathered_at_most)
    wanted, other = [(await a_game(partner))["id"] for _ in range(2)]
    for recorded, number in (("active", 4), ("redeemed", 7), ("expired", 4), ("cancelled", 7)):
        await _plant(partner, wanted, number, recorded)
        await _plant(partner, other, 3, recorded)
    ids, pagination = await _page(partner, f"status={status}&game_id={wanted}&per_page=50")
    expected = await partner.database.fetch(
        "SELECT id::text FROM coupons WHERE game_id = $1 AND ($2 = 'all' OR status = $2) ORDER BY id DESC",
        wanted,
        status,
    )
    assert ids == [row["id"] for row in expected]
    assert pagination["total"] == len(expected)


@pytest.mark.parametrize("status", [*CouponStatus, None])
async def test_page_costs_what_lies_before_it(
    partner: Partner, status: CouponStatus | None
) -> None:
    """However many coupons the partner has, the third page of ten walks over thirty of each status and sorts nothing."""
    game_id = (await a_game(partner))["id"]
    for planted in ("active", "redeemed", "expired", "cancelled"):
        await _plant(partner, game_id, MANY, planted)
    recorded = [status] if status else CouponStatus
    query = walking("page_of_walks", tuple((each, False) for each in recorded))
    now = datetime.now(UTC).isoformat()
    values = [str(partner.id), f"'{now}'", str(partner.shop_id), f"'{status}'" if status else "NULL",
              "NULL", "NULL", "NULL", "'UTC'", "31", "20"]  # fmt: skip
    for number in range(10, 0, -1):
        query = query.replace(f"${number}", values[number - 1])
    async with partner.database.transaction():
        await partner.database.execute(
            queries("staff", "services.api.partners")["walk_along_the_index"]
        )
        lines = [
            row[0]
            for row in await partner.database.fetch(
                f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query}"
            )
        ]
    plan = "\n".join(lines)
    walked = re.findall(
        r"Index (?:Only )?Scan.*coupons_by_partner.*\(actual rows=(\d+)(?:\.\d+)? loops=1\)", plan
    )
    assert walked, plan
    assert max(map(int, walked)) <= 31, plan
    assert "Seq Scan on coupons" not in plan
    assert "Backward using coupon_id_is_unique" not in plan, plan
    if status is CouponStatus.EXPIRED:
        # Of no game: those that are over, and never all that the program has issued.
        assert re.search(r"Index Cond: \(\(game_id IS NULL\) AND .*expires_at <= ", plan), plan
