"""`couponry what-if` from the outside: what it refuses, what it shows, and that it writes nothing."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.adapters.postgres.pool import connect
from services.domain.coupons.coupon import Step
from tests.insight.what_if.script import Act, Event, Poll, Rules, Staff
from tests.insight.what_if.stand import Game, Table
from tests.stand.commands import Command

DAY = timedelta(days=1, minutes=1)
"""And a little, since an instant is never hit exactly."""
FOREVER = {"allow_multiple_active_coupons": False, "coupon_validity_days": None}


def completed(name: str, customer: str = "anna", won: bool = True) -> Event:
    return Event(name=name, kind="game.completed", customer=customer, won=won)


def polls(*names: str, customer: str = "anna", after: timedelta = DAY) -> list[Act]:
    """A completion a day."""
    return [Poll(after=after, events=(completed(name, customer),)) for name in names]


@pytest.fixture
async def game(table: Table) -> Game:
    """One coupon for ever: of three completions of two customers, four are blocked; one is lost."""
    game = await table.game(FOREVER)
    both = [(completed(f"a-{n}"), completed(f"b-{n}", "bert")) for n in range(3)]
    await game.play([Poll(after=DAY, events=events) for events in both])
    await game.play([Poll(after=DAY, events=(completed("lost", "carl", won=False),))])
    return game


BAD = [
    (("--set", "coupon_validity_days=0"), "coupon_validity_days: Must be between 1 and 3650 days"),
    (("--set", "coupon_validity_days=7.0"), "coupon_validity_days: Must be"),
    (("--set", "is_active=1"), "is_active: Must be true or false"),
    (("--set", "game_type=chess"), "game_type: Invalid game type"),
    (("--set", "is_active=null"), "is_active: Must be true or false"),
    (("--set", "end_date=2027-02-30"), "end_date: Must be a date"),
    (("--set", "start_date=2027-05-01", "--set", "end_date=2027-04-01"), "end_date: Must be after start_date"),
    (("--set", "total_limit=NaN"), "total_limit: Must be"),
    (("--set", "product_ids=[999999]"), "product 999999 does not exist"),
    (("--set", "colour=red"), "colour: no rule; fields: game_type, is_active"),
    (("--set", "name=Other"), "name: makes no difference to a decision; fields: game_type"),
    (("--set", "is_active"), "write field=value"),
    (("--set", "is_active=true", "--set", "is_active=false"), "is_active: comes twice"),
    (("--from", "yesterday"), "RFC 3339"),
    (("--from", "2027-03-02T00:00:00Z", "--to", "2027-03-02T00:00:00Z"), "--from must be before --to"),
    (("--csv", "/nonexistent/file.csv"), "/nonexistent/file.csv"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "named"), BAD)
async def test_bad_input_is_one_line(
    game: Game, couponry: Command, options: tuple[str, ...], named: str
) -> None:
    """What is wrong is named in one line, exit 2, nothing on stdout."""
    result = await couponry("what-if", "--game-id", game.game_id, *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert named in result.err


async def test_unknown_game_is_one_line(table: Table, couponry: Command) -> None:
    """So is a game that does not exist, and a missing one."""
    for options, named in ((("--game-id", 2**40), "does not exist"), ((), "--game-id")):
        result = await couponry("what-if", *options)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert named in result.err


async def test_json_has_everything(game: Game, couponry: Command) -> None:
    """Outcomes, reasons, what became what, days and customers, before and after."""
    changes = ("--set", "coupon_validity_days=2", "--set", "is_active=true")
    report = (await couponry("what-if", "--game-id", game.game_id, *changes, "--json")).json()
    customers = report["customers"].pop("listed")
    assert report == {
        "game_id": game.game_id,
        "partner_id": game.partner_id,
        "changes": {"coupon_validity_days": 2, "is_active": True},
        "from": None,
        "to": None,
        "time_zone": "Europe/Vilnius",
        "read": 7,
        "orders": 0,
        "orders_without_record": 0,
        "reproduced": None,
        "mismatched": 0,
        "mismatches": [],
        "outcomes": {"issued": pair(2, 4), "declined": pair(5, 3)},
        "reasons": {"result_lost": pair(1, 1), "active_coupon_exists": pair(4, 2)},
        "transitions": [{"before": "active_coupon_exists", "after": "issued", "count": 2}],
        "stamps": pair(0, 0),
        "days": [
            {"day": "2027-03-02", "issued": pair(2, 2), "declined": pair(0, 0)},
            {"day": "2027-03-03", "issued": pair(0, 0), "declined": pair(2, 2)},
            {"day": "2027-03-04", "issued": pair(0, 2), "declined": pair(2, 0)},
            {"day": "2027-03-05", "issued": pair(0, 0), "declined": pair(1, 1)},
        ],
        "customers": {"gain": 2, "lose": 0, "as_many_at_other_events": 0},
    }
    expected = [
        {"customer_id": name, "gained": 1, "lost": 0, "difference": 1} for name in ("anna", "bert")
    ]
    assert customers == expected


def pair(before: int, after: int) -> dict[str, int]:
    return {"before": before, "after": after, "difference": after - before}


async def test_report_for_people_has_table_plot_and_customers(
    game: Game, couponry: Command
) -> None:
    """The words say what was done, the bars have one scale, the customers who differ are named."""
    said = (
        await couponry("what-if", "--game-id", game.game_id, "--set", "allow_multiple_active_coupons=true")
    ).out  # fmt: skip
    words = [line.split() for line in said.splitlines()]
    assert "7 completions decided again with allow_multiple_active_coupons = true" in said
    assert ["issued", "2", "6", "+4"] in words
    assert ["active_coupon_exists", "4", "0", "-4"] in words
    assert ["2027-03-03", "before", "0"] in words and ["after", "█" * 40, "2"] in words
    assert "2 customers gain coupons, 0 lose some" in said
    assert ["anna", "2", "0", "+2"] in words


async def test_unchanged_report_says_that_all_comes_out(game: Game, couponry: Command) -> None:
    """Without --set the report is of one world, and no customer differs."""
    said = (await couponry("what-if", "--game-id", game.game_id)).out
    assert "all of 7 completions come out as recorded. Nothing was written." in said
    assert "after" not in said.partition("by day")[2] and "customers" not in said


async def test_csv_has_outcomes_days_and_customers(
    game: Game, couponry: Command, tmp_path: Path
) -> None:
    """One table that a spreadsheet filters by its first column; a second run writes it anew."""
    file = tmp_path / "effect.csv"
    for _ in range(2):
        result = await couponry(
            "what-if", "--game-id", game.game_id, "--set", "customer_limit_per_month=1",
            "--set", "end_date=2027-03-01", "--csv", file,
        )  # fmt: skip
        assert result.code == 0
    rows = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert rows == [
        ["section", "name", "before", "after", "difference"],
        ["outcome", "issued", "2", "0", "-2"],
        ["outcome", "result_lost", "1", "1", "0"],
        ["outcome", "game_ended", "0", "6", "6"],
        ["outcome", "active_coupon_exists", "4", "0", "-4"],
        ["day", "2027-03-02", "2", "0", "-2"],
        ["day", "2027-03-03", "0", "0", "0"],
        ["day", "2027-03-04", "0", "0", "0"],
        ["day", "2027-03-05", "0", "0", "0"],
        ["customer", "anna", "1", "0", "-1"],
        ["customer", "bert", "1", "0", "-1"],
    ]


async def test_what_if_writes_nothing(game: Game, couponry: Command) -> None:
    """No row of any table is added, changed or removed."""
    before = await contents(game)
    for options in ((), ("--set", "game_type=stamps"), ("--set", "total_limit=1")):
        assert (await couponry("what-if", "--game-id", game.game_id, *options)).code == 0
    assert await contents(game) == before


async def contents(game: Game) -> dict[str, Any]:
    """By table: rows and a digest of them."""
    tables = await game.database.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'couponry' ORDER BY tablename"
    )
    return {
        name: await game.database.fetchrow(
            f"SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t"
        )
        for (name,) in tables
    }


async def test_decision_that_cannot_be_reproduced_is_loud(game: Game, couponry: Command) -> None:
    """Exit 1; the event, what is recorded of it and what came out stand in the report and on stderr."""
    owner = await connect(game.settings, "test", role=None)
    await owner.execute(
        "UPDATE decisions SET reason = 'game_ended' WHERE event_source = $1 AND event_id = 'a-1'",
        game.source,
    )
    await owner.close()
    result = await couponry("what-if", "--game-id", game.game_id, "--json")
    assert result.code == 1
    assert f"a-1 of {game.source}: recorded game_ended, decided again active_coupon_exists" in result.err  # fmt: skip
    assert '"reproduced": false, "mismatched": 1, "mismatches": [{"event_id": "a-1"' in result.out
    said = (await couponry("what-if", "--game-id", game.game_id)).out
    assert "1 of 7 completions do NOT come out as recorded" in said


async def test_range_begins_with_what_was_and_ends_before_to(
    table: Table, couponry: Command
) -> None:
    """Before --from the real rules hold and nothing is counted; from then on the changed ones, until --to."""
    game = await table.game(FOREVER)
    await game.play(polls("1", "2", "3", "4"))
    asked = ("--from", "2027-03-04T00:00:00Z", "--to", "2027-03-05T00:00:00Z", "--json")
    start = ("what-if", "--game-id", game.game_id)
    report = (await couponry(*start, *asked, "--set", "customer_limit=2")).json()
    assert report["reasons"] == {"active_coupon_exists": pair(1, 1)}
    report = (await couponry(*start, *asked, "--set", "allow_multiple_active_coupons=true")).json()
    assert report["outcomes"] == {"issued": pair(0, 1), "declined": pair(1, 0)}
    report = (await couponry(*start, *asked, "--set", "customer_limit=1")).json()
    assert report["reasons"] == {
        "customer_limit_reached": pair(0, 1),
        "active_coupon_exists": pair(1, 0),
    }


async def test_versions_without_zone_and_number_are_read(table: Table, couponry: Command) -> None:
    """What was kept before versions held them is decided by the zone of now and by the clock."""
    game = await table.game(FOREVER)
    await game.play(
        [
            *polls("1", "2"),
            Rules(after=DAY, fields={"allow_multiple_active_coupons": True, "start_date": "2027-01-01"}),
            Staff(after=DAY, event="1", step=Step.REDEEMED),
            *polls("3", "4"),
        ]
    )  # fmt: skip
    kept = await game.database.fetch(
        "SELECT rules ->> 'time_zone', decided_before - min(decided_before) OVER () FROM game_versions"
        " WHERE game_id = $1 ORDER BY version",
        game.game_id,
    )
    assert [tuple(row) for row in kept] == [("Europe/Vilnius", 0), ("Europe/Vilnius", 2)]
    owner = await connect(game.settings, "test", role=None)
    await owner.execute(
        "UPDATE game_versions SET decided_before = NULL, rules = rules - 'time_zone' WHERE game_id = $1",
        game.game_id,
    )
    await owner.close()
    report = (await couponry("what-if", "--game-id", game.game_id, "--json")).json()
    assert report["reproduced"] is True


async def test_help_teaches(couponry: Command) -> None:
    """--help has examples, names the fields, and says what each world does with coupons."""
    said = " ".join((await couponry("what-if", "--help")).out.split())
    for words in (
        "--set coupon_validity_days=14",
        "stamps_required",
        "as it really was",
        "With --from",
    ):
        assert words in said
