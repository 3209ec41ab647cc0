"""Partners, shops and products from the command line."""

from __future__ import annotations

import hashlib

import asyncpg
import pytest

from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.stand.commands import Command


async def _one_row(settings: Settings, query: str) -> asyncpg.Record:
    connection = await connect(settings, "test")
    (row,) = await connection.fetch(query)
    await connection.close()
    return row


async def test_partner_is_added_with_keys_and_a_shop(couponry: Command, settings: Settings) -> None:
    """The keys are shown this once and stored as digests; the name is trimmed."""
    added = await couponry(
        "partners", "add", " Kavinė Ąžuolas ", "--time-zone", "Europe/Vilnius", "--json"
    )
    partner = added.json()
    assert list(partner) == [
        "id", "name", "time_zone", "store_id", "api_key", "secret_key", "default_shop_id", "sources",
    ]  # fmt: skip
    assert (partner["name"], partner["time_zone"]) == ("Kavinė Ąžuolas", "Europe/Vilnius")
    row = await _one_row(settings, "SELECT * FROM partners")
    assert row["api_key_hash"] == hashlib.sha256(partner["api_key"].encode()).digest()
    assert row["secret_key_hash"] == hashlib.sha256(partner["secret_key"].encode()).digest()
    assert not {partner["api_key"], partner["secret_key"]} & set(map(str, row.values()))
    shop = await _one_row(settings, "SELECT id, partner_id FROM shops")
    assert tuple(shop) == (partner["default_shop_id"], partner["id"])


async def test_add_prints_the_id_alone(couponry: Command) -> None:
    """Without --json a script gets nothing but the id."""
    partner = (await couponry("partners", "add", "Kava")).out.strip()
    assert partner.isdigit()
    assert (await couponry("shops", "add", partner, "Centras")).out.strip().isdigit()
    assert (await couponry("products", "add", partner, "Latte")).out.strip().isdigit()


async def test_shops_and_products_belong_to_a_partner(couponry: Command) -> None:
    """They are listed with their partner, all or one's own; nobody's are refused."""
    one = (await couponry("partners", "add", "One")).out.strip()
    other = (await couponry("partners", "add", "Other")).out.strip()
    for partner in (one, other):
        added = (await couponry("shops", "add", partner, "Centras", "--json")).json()
        assert added == {"id": added["id"], "partner_id": int(partner), "name": "Centras"}
        product = (
            await couponry("products", "add", partner, "Latte", "--sku", "L1", "--json")
        ).json()
        assert product == {
            "id": product["id"], "partner_id": int(partner), "name": "Latte", "sku": "L1",
        }  # fmt: skip
    for kind, count in (("shops", 4), ("products", 2)):
        assert len((await couponry(kind, "list", "--json")).json()) == count
        own = (await couponry(kind, "list", "--partner-id", one, "--json")).json()
        assert {row["partner_id"] for row in own} == {int(one)}
        refused = await couponry(kind, "add", 999, "x")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("couponry: partner 999 does not exist")


@pytest.mark.parametrize("kind", ["partners", "shops", "products"])
async def test_dry_run_adds_nothing(couponry: Command, kind: str) -> None:
    """What would be added is checked and shown, without an id."""
    partner = (await couponry("partners", "add", "Kava")).out.strip()
    before = (await couponry(kind, "list", "--json")).out
    owner = [] if kind == "partners" else [partner]
    added = (await couponry(kind, "add", *owner, "New", "--dry-run", "--json")).json()
    assert (added["id"], added["name"]) == (None, "New")
    assert (await couponry(kind, "list", "--json")).out == before


async def test_table_shows_control_characters_and_whole_values(couponry: Command) -> None:
    """A name cannot steer the terminal, nor does a table cut it off for a pipe."""
    name = "\x1b[31mred " + "x" * 200
    await couponry("partners", "add", name)
    listed = (await couponry("partners", "list")).out
    assert "\x1b" not in listed
    assert "\\x1b[31mred " + "x" * 200 in listed
