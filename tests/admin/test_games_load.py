"""`games load`: whole or not at all, refusals by entry and field, definitions replaced by id."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.stand.commands import Command, Result
from tests.stand.issuing import blocked_by
from tests.stand.waiting import eventually

Load = Callable[..., Coroutine[Any, Any, Result]]

WHEEL: dict[str, Any] = {
    "partner_id": 1,
    "name": "Laimės ratas",
    "description": "Sukite kasdien.",
    "game_type": "wheel",
    "reward_description": "Kava",
}


@pytest.fixture
async def load(couponry: Command, tmp_path: Path) -> Load:
    """Load these entries, with two partners there, 1 and 2, and the product 1 of partner 1."""
    for name in ("One", "Two"):
        await couponry("partners", "add", name)
    await couponry("products", "add", 1, "Latte")

    async def run(*entries: object, options: tuple[str, ...] = ("--json",)) -> Result:
        file = tmp_path / "games.json"
        file.write_text(json.dumps(entries), encoding="utf-8")
        return await couponry("games", "load", file, *options)

    return run


async def _games(couponry: Command) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await couponry("games", "list", "--json")).json()
    return listed


async def test_load_prints_ids_in_file_order(load: Load, couponry: Command) -> None:
    """New games get ids in the order of the file, beyond any that the file itself has chosen."""
    names = [f"Game {letter}" for letter in "abc"]
    entries = [WHEEL | {"name": name} for name in names]
    entries[1]["id"] = 70
    loaded = (await load(*entries)).json()
    assert loaded == {
        "games": [
            {"id": 71, "name": "Game a"}, {"id": 70, "name": "Game b"}, {"id": 72, "name": "Game c"},
        ]
    }  # fmt: skip
    assert (await load(WHEEL)).json()["games"][0]["id"] == 73
    assert [game["id"] for game in await _games(couponry)] == [70, 71, 72, 73]


async def test_load_replaces_a_definition(load: Load, couponry: Command) -> None:
    """An entry with a stored id is that game's whole definition: what it leaves out is default again."""
    first = WHEEL | {"id": 5, "coupon_validity_days": 7, "product_ids": [1], "code_prefix": "SALE"}
    await load(first)
    assert (await load(first)).code == 0
    (game,) = await _games(couponry)
    assert (game["version"], game["coupon_validity_days"]) == (1, 7)
    await load(WHEEL | {"id": 5, "name": "Kitas ratas"})
    (game,) = await _games(couponry)
    assert (game["version"], game["name"]) == (2, "Kitas ratas")
    assert (game["coupon_validity_days"], game["product_ids"], game["code_prefix"]) == (
        None,
        [],
        "",
    )


async def test_listed_games_can_be_loaded_again(load: Load, couponry: Command) -> None:
    """What `games list --json` prints is a file for `games load`."""
    await load(WHEEL | {"start_date": "2026-05-01", "end_date": "2026-05-31", "stamps_required": 3})
    listed = await _games(couponry)
    assert (await load(*listed)).code == 0
    assert await _games(couponry) == listed


REFUSED = [
    ([WHEEL, WHEEL | {"partner_id": 9}], "[1].partner_id: partner 9 does not exist"),
    ([WHEEL | {"id": 5, "partner_id": 2}], "[0].id: 5 is a game of another partner"),
    ([WHEEL, WHEEL | {"product_ids": [1, 7]}], "[1].product_ids.1: product 7 does not exist"),
    ([WHEEL | {"partner_id": 2, "product_ids": [1]}], "[0].product_ids.0: product 1 does not"),
    ([WHEEL, WHEEL | {"coupon_validity_days": 0}], "[1].coupon_validity_days: Must be between 1"),
    ([WHEEL | {"game_type": "Wheel"}], "[0].game_type: Invalid game type provided"),
    ([{}], "[0].name: The name field is required."),
    ([WHEEL | {"id": "5"}], "[0].id: Must be a number"),
    ([WHEEL | {"id": 2**53}], "[0].id: Must be a number"),
    ([WHEEL | {"id": 6}, WHEEL | {"id": 6}], "[1].id: 6 is the id of [0] already"),
    ([WHEEL, 5], "[1]: must be an object"),
]


@pytest.mark.parametrize(("entries", "words"), REFUSED)
async def test_load_refuses_the_whole_file(
    load: Load, couponry: Command, entries: list[Any], words: str
) -> None:
    """One bad entry: exit 2, one line that names its index and field, and nothing of the file is loaded."""
    await load(WHEEL | {"id": 5})
    before = await _games(couponry)
    result = await load(*entries)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err
    assert await _games(couponry) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}", "must be a JSON array"),
        (b"[", "is not JSON"),
        (b"\xff\xfe\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (None, "No such file"),
    ],
)
async def test_load_refuses_what_is_no_file_of_games(
    couponry: Command, tmp_path: Path, content: bytes | None, words: str
) -> None:
    """A file that cannot be read as an array is one line too."""
    file = tmp_path / "games.json"
    if content is not None:
        file.write_bytes(content)
    result = await couponry("games", "load", file)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err


async def test_dry_run_loads_nothing(load: Load, couponry: Command, settings: Settings) -> None:
    """Everything is checked, nothing is kept, not even a number of the id sequence."""
    await load(WHEEL | {"id": 5})
    before = await _games(couponry)
    tried = await load(
        WHEEL | {"id": 5, "name": "Other"},
        WHEEL,
        WHEEL | {"id": 90},
        options=("--dry-run", "--json"),
    )
    assert [game["id"] for game in tried.json()["games"]] == [5, None, 90]
    assert await _games(couponry) == before
    assert (await load(WHEEL)).json()["games"][0]["id"] == 6
    refused = await load(WHEEL | {"partner_id": 9}, options=("--dry-run",))
    assert refused.code == 2


async def test_load_obeys_rule_6(load: Load, couponry: Command, settings: Settings) -> None:
    """The single rule is refused while coupons are active, with both counts; the rest of the file waits too."""
    await load(WHEEL | {"id": 5})
    connection = await connect(settings, "test")
    await connection.execute(
        """
        INSERT INTO customers (partner_id, customer_id, last_at) VALUES (1, 'ona', now());
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                             rule_allow_multiple, holds_single_place, code)
        SELECT gen_random_uuid(), gen_random_uuid(), 1, 5, customer_no, now(), 1, true, false, repeat(n::text, 16)
        FROM customers, generate_series(1, 2) AS n
        """
    )
    single = WHEEL | {"id": 5, "allow_multiple_active_coupons": False}
    refused = await load(WHEEL, single)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert (
        "[1].allow_multiple_active_coupons: Cannot disable multiple coupons when customers have "
        "active coupons (active_coupons_count 2, affected_customers 1)" in refused.err
    )
    assert len(await _games(couponry)) == 1
    await connection.execute("UPDATE coupons SET status = 'cancelled'")
    await connection.close()
    assert (await load(WHEEL, single)).code == 0


async def test_loads_wait_for_each_other(load: Load, couponry: Command, settings: Settings) -> None:
    """Two files at once are loaded one after the other, so neither takes an id the other has chosen."""
    first: asyncpg.Connection = await connect(settings, "test")
    watcher = await connect(settings, "test")
    transaction = first.transaction()
    await transaction.start()
    await first.execute("LOCK TABLE games IN SHARE ROW EXCLUSIVE MODE")
    second = asyncio.create_task(load(WHEEL))
    await eventually(lambda: blocked_by(first, watcher), "the second load waits")
    await first.execute("SELECT setval('games_id_seq', 40)")
    await transaction.commit()
    assert (await second).json()["games"][0]["id"] == 41
    await first.close()
    await watcher.close()


async def test_list_filters_games(load: Load, couponry: Command) -> None:
    """By partner, by being switched on, by type."""
    await load(
        WHEEL | {"id": 1, "is_active": False},
        WHEEL | {"id": 2, "partner_id": 2},
        WHEEL | {"id": 3, "game_type": "quiz"},
    )
    for options, ids in (
        (("--partner-id", 1), [1, 3]),
        (("--active",), [2, 3]),
        (("--inactive",), [1]),
        (("--game-type", "quiz"), [3]),
        (("--game-type", "memory"), []),
    ):
        listed = (await couponry("games", "list", "--json", *options)).json()
        assert [game["id"] for game in listed] == ids
