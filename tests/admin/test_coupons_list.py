"""`coupons list`: newest first, by filter, with the status in effect, in pages."""

from __future__ import annotations

import pytest

from services.adapters.postgres.pool import connect
from services.admin import coupons
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.world import CUSTOMERS, World


async def test_list_shows_coupons_newest_first(world: World, couponry_on: CommandOn) -> None:
    """Every coupon, in the shape of the contract, prefix and all."""
    listed = (await couponry_on(world.settings)("coupons", "list", "--json")).json()
    ids = [coupon["coupon_id"] for coupon in listed]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == len(set(ids)) == 24
    (forever,) = [c for c in listed if (c["game_id"], c["customer_id"]) == (world.forever, "rūta")]
    assert (forever["status"], forever["expires_at"], forever["is_unlimited"]) == (
        "active",
        None,
        True,
    )
    assert all(c["code"].startswith("MANY-") == (c["game_id"] == world.many) for c in listed)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--customer", "rūta"), 4),
        (("--game-id", 1), len(CUSTOMERS)),
        (("--partner-id", 1), 24),
        (("--partner-id", 2), 0),
        (("--status", "active"), 24),
        (("--status", "used"), 0),
        (("--customer", "ona", "--game-id", 2, "--status", "active"), 4),
        (("--limit", 7), 7),
    ],
)
async def test_list_filters_coupons(
    world: World, couponry_on: CommandOn, options: tuple[object, ...], count: int
) -> None:
    """Filters narrow each other down; nothing found is an empty array."""
    listed = (await couponry_on(world.settings)("coupons", "list", "--json", *options)).json()
    assert len(listed) == count


async def test_list_reads_page_by_page(
    world: World, couponry_on: CommandOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of any size come to the same list."""
    couponry = couponry_on(world.settings)
    whole = (await couponry("coupons", "list", "--json")).json()
    for size in (1, 5, 24, 25):
        monkeypatch.setattr(coupons, "PAGE", size)
        assert (await couponry("coupons", "list", "--json")).json() == whole
        assert (await couponry("coupons", "list", "--json", "--limit", 11)).json() == whole[:11]


async def test_list_shows_the_status_in_effect(copied: Settings, couponry_on: CommandOn) -> None:
    """Time limits count without anybody having recorded them, by the test clock too."""
    connection = await connect(copied, "test", role=None)
    await connection.execute(
        """
        UPDATE coupons SET status = 'reserved', reserved_until = now() + interval '1 hour', reserved_shop_id = 1
        WHERE game_id = 3
        """
    )
    await connection.close()
    couponry = couponry_on(copied)

    async def counts(*statuses: str) -> list[int]:
        listed = [
            (await couponry("coupons", "list", "--json", "--status", status)).json()
            for status in statuses
        ]
        return [len(some) for some in listed]

    assert await counts("active", "pending", "expired") == [17, 7, 0]
    ahead = copied.model_copy(
        update={"allow_test_clock": True, "clock_offset_seconds": 8 * 24 * 3600.0}
    )
    couponry = couponry_on(ahead)
    assert await counts("active", "reserved", "expired") == [19, 0, 5]


async def test_table_has_the_newest(world: World, couponry_on: CommandOn) -> None:
    """A table is for reading: a limited number of rows, and a word about the rest on stderr."""
    shown = await couponry_on(world.settings)("coupons", "list", "--limit", 3)
    assert len(shown.out.splitlines()) == 4
    assert "there are more" in shown.err
