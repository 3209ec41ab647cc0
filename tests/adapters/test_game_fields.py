"""A field of a game on its whole way: definition, row, table, role, rules, what-if. Forgotten anywhere, it is told here."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from schemas.partners.game_answers import GameBody
from schemas.partners.games import MESSAGES, Game, read_game
from services.adapters.postgres.games import GameRow, games_by_id, put_game, row_of
from services.adapters.postgres.pool import API_ROLE
from services.adapters.postgres.rules import load_games
from services.domain import program
from services.insight.what_if.changes import RULE_FIELDS, checked, read_changes
from services.insight.what_if.rules import Version, rules_of
from tests.stand.issuing import a_game

OTHERWISE: dict[str, Any] = {
    "name": "Another name",
    "description": "Another description.",
    "game_type": "stamps",
    "reward_description": "A tea",
    "is_active": False,
    "allow_multiple_active_coupons": True,
    "coupon_validity_days": 30,
    "product_ids": [8, 9],
    "start_date": date(2026, 3, 1),
    "end_date": date(2026, 3, 31),
    "stamps_required": 5,
    "customer_limit": 4,
    "customer_limit_per_day": 1,
    "customer_limit_per_week": 2,
    "customer_limit_per_month": 3,
    "total_limit": 100,
    "code_prefix": "SUMMER",
}
"""Another value for every field than that of `a_game`."""

TOLD = {"reward_description", "code_prefix"}
"""Carried by the rules' game for the event that tells of a coupon; no decision depends on them."""

NOT_A_FIELD = {"id", "partner_id", "version", "time_zone"}
"""Of the rules' game: what it is, and what the partner brings."""

FIRST = {
    "id": 7,
    "partner_id": 1,
    "version": 1,
    "name": "Wheel of fortune",
    "description": "Spin it once a day.",
    "game_type": "wheel",
    "reward_description": "A coffee",
    "is_active": True,
    "allow_multiple_active_coupons": True,
    "coupon_validity_days": None,
    "product_ids": [],
    "start_date": None,
    "end_date": None,
    "stamps_required": 10,
    "customer_limit": None,
    "customer_limit_per_day": None,
    "customer_limit_per_week": None,
    "customer_limit_per_month": None,
    "total_limit": None,
    "quota_epoch": 0,
    "code_prefix": "",
}
"""A version of a game as the first schema has kept it."""


def walk(value: Any) -> dict[str, Any]:
    """Every field of a game by its name, those of the customer's limits among them."""
    return {
        name: part
        for one in fields(value)
        for name, part in (
            walk(getattr(value, one.name)).items()
            if is_dataclass(getattr(value, one.name))
            else [(one.name, getattr(value, one.name))]
        )
    }


def test_field_is_defined_and_shown() -> None:
    """The definition has the fields of the row, in its order, each with a sentence; partners are shown all of them."""
    assert tuple(Game.model_fields) == GameRow._fields
    assert set(GameRow._fields) <= MESSAGES.keys()
    assert set(GameRow._fields) <= GameBody.model_fields.keys()
    assert OTHERWISE.keys() == set(GameRow._fields)


async def test_field_is_stored_and_read(database: asyncpg.Connection, partner_id: int) -> None:
    """Each comes back as it was put, by the update and by the insert."""
    game_id = await a_game(database, partner_id)
    before = (await games_by_id(database, [game_id]))[game_id].definition
    assert {name for name in before if before[name] == OTHERWISE[name]} == set()
    await put_game(database, game_id, row_of(read_game(OTHERWISE, before)))
    assert (await games_by_id(database, [game_id]))[game_id].definition == OTHERWISE
    same = await a_game(database, partner_id, **OTHERWISE)
    assert (await games_by_id(database, [same]))[same].definition == OTHERWISE


async def test_field_may_be_changed_over_http(owner: asyncpg.Connection) -> None:
    """The API's role may update the columns of a definition, and no other column of a game."""
    rows = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'games'::regclass AND attnum > 0"
        " AND has_column_privilege($1, attrelid, attname, 'UPDATE')",
        API_ROLE,
    )
    assert {row["attname"] for row in rows} == set(GameRow._fields)


async def test_field_that_is_a_rule_reaches_the_rules(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """What-if can change exactly what the rules are given; every field of the rules' game comes from a column."""
    game_id = await a_game(database, partner_id)
    stored = (await games_by_id(database, [game_id]))[game_id].definition
    plain = (await load_games(database, [game_id]))[game_id]
    reached: dict[str, set[str]] = {}
    for name, value in OTHERWISE.items():
        await put_game(database, game_id, GameRow(**{**stored, name: value}))
        changed = walk((await load_games(database, [game_id]))[game_id])
        reached[name] = {
            part for part, was in walk(plain).items() if changed[part] != was
        } - NOT_A_FIELD
    assert {name for name, parts in reached.items() if parts} == {*RULE_FIELDS, *TOLD}
    assert set().union(*reached.values()) == walk(plain).keys() - NOT_A_FIELD


@pytest.mark.parametrize("field", RULE_FIELDS)
def test_field_that_is_a_rule_can_be_changed_by_what_if(field: str) -> None:
    """`--set` reads it as the definition does, and the rules differ."""
    value = OTHERWISE[field]
    text = f'"{value}"' if isinstance(value, date | str) else str(value).lower()
    if field == "allow_multiple_active_coupons":
        text, value = "false", False
    stored = {name: FIRST[name] for name in GameRow._fields}
    changes = checked(read_changes([f"{field}={text}"]), stored)
    assert changes == {field: value}
    rules = rules_of(7, [_version()], changes, time_zone="UTC")
    assert rules.changed[1].games[7] != rules.recorded[1].games[7]


def test_field_is_missing_in_versions_of_old() -> None:
    """A version kept before a rule was a field of games is read as if it had that field's default."""
    game = rules_of(7, [_version()], {}, time_zone="UTC").recorded[1].games[7]
    expected = program.Game(
        id=7,
        partner_id=1,
        version=1,
        is_active=True,
        allow_multiple_active_coupons=True,
        coupon_validity_days=None,
        starts_at=None,
        ends_at=None,
        reward_description="A coffee",
    )
    assert game == expected


def _version() -> Version:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Version(number=1, rules=FIRST, valid_from=at, decided_before=0)
