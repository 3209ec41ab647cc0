"""Game definitions: a row per rule and boundary, in letters of which some take two bytes."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.partners.games import DATE_MESSAGE, Game, InvalidGame, read_entry, read_game

WHOLE: dict[str, Any] = {
    "name": "Laimės ratas",
    "description": "Sukite kasdien.",
    "game_type": "wheel",
    "reward_description": "Kava",
}
NAME = ["Must be between 3 and 255 characters"]
DESCRIPTION = ["Must be between 10 and 10000 characters"]
REWARD = ["Must be between 3 and 1000 characters"]
VALIDITY = ["Must be between 1 and 3650 days"]
TYPE = ["Invalid game type provided"]
BOOLEAN = ["Must be true or false"]
STAMPS = ["Must be between 1 and 100"]
LIMITS = (
    "customer_limit", "customer_limit_per_day", "customer_limit_per_week", "customer_limit_per_month",
    "total_limit",
)  # fmt: skip
LIMIT = ["Must be between 1 and 2147483647, or null"]
PREFIX = ["Must be up to 12 characters of A-Z and 0-9"]
PRODUCTS = ["Must be a list of product ids"]
UNSTORABLE = ["Must not contain NUL or lone surrogates"]

ACCEPTED = [
    ("name", "ąčę", "ąčę"),
    ("name", "ž" * 255, "ž" * 255),
    ("name", "  ąčę\n", "ąčę"),
    ("name", " " + "ž" * 255 + " ", "ž" * 255),
    ("description", "ė" * 10, "ė" * 10),
    ("description", "ė" * 10_000, "ė" * 10_000),
    ("reward_description", "šįū", "šįū"),
    ("reward_description", "š" * 1_000, "š" * 1_000),
    *(
        ("game_type", kind, kind)
        for kind in ("stamps", "wheel", "collection", "quiz", "memory", "scratch")
    ),
    ("is_active", False, False),
    ("allow_multiple_active_coupons", False, False),
    ("coupon_validity_days", None, None),
    ("coupon_validity_days", 1, 1),
    ("coupon_validity_days", 3650, 3650),
    *((field, value, value) for field in LIMITS for value in (1, 2**31 - 1, None)),
    ("product_ids", [], []),
    ("product_ids", None, []),
    ("product_ids", [3, 2**63 - 1], [3, 2**63 - 1]),
    ("stamps_required", 1, 1),
    ("stamps_required", 100, 100),
    ("code_prefix", "", ""),
    ("code_prefix", " SUMMER2026AB ", "SUMMER2026AB"),
]

REFUSED = [
    ("name", "ąč", {"name": NAME}),
    ("name", "ž" * 256, {"name": NAME}),
    ("name", " ąč ", {"name": NAME}),  # trimmed first
    ("name", "", {"name": NAME}),
    ("name", 12345, {"name": NAME}),
    ("name", None, {"name": ["The name field is required."]}),
    ("name", "a\0bc", {"name": UNSTORABLE}),
    ("name", "abc\ud800", {"name": UNSTORABLE}),
    ("description", "ė" * 9, {"description": DESCRIPTION}),
    ("description", "ė" * 10_001, {"description": DESCRIPTION}),
    ("reward_description", "šį", {"reward_description": REWARD}),
    ("reward_description", "š" * 1_001, {"reward_description": REWARD}),
    ("game_type", "Stamps", {"game_type": TYPE}),
    ("game_type", " stamps", {"game_type": TYPE}),
    ("game_type", "", {"game_type": TYPE}),
    ("game_type", 1, {"game_type": TYPE}),
    ("game_type", None, {"game_type": ["The game_type field is required."]}),
    ("is_active", 1, {"is_active": BOOLEAN}),
    ("is_active", "true", {"is_active": BOOLEAN}),
    ("is_active", None, {"is_active": BOOLEAN}),
    ("allow_multiple_active_coupons", 0, {"allow_multiple_active_coupons": BOOLEAN}),
    *(
        ("coupon_validity_days", days, {"coupon_validity_days": VALIDITY})
        for days in (0, -1, 3651, 1.5, 30.0, "30", True)
    ),
    ("product_ids", 7, {"product_ids": PRODUCTS}),
    ("product_ids", {"7": 7}, {"product_ids": PRODUCTS}),
    (
        "product_ids",
        [1, 0, "3", True, 2**63],
        {f"product_ids.{place}": ["Must be a product id"] for place in (1, 2, 3, 4)},
    ),
    ("stamps_required", 0, {"stamps_required": STAMPS}),
    ("stamps_required", 101, {"stamps_required": STAMPS}),
    ("stamps_required", None, {"stamps_required": STAMPS}),
    *(
        (field, value, {field: LIMIT})
        for field in LIMITS
        for value in (0, -1, 2**31, 1.0, "5", True)
    ),
    ("code_prefix", "summer", {"code_prefix": PREFIX}),
    ("code_prefix", "ĄČĘ", {"code_prefix": PREFIX}),
    ("code_prefix", "A-B", {"code_prefix": PREFIX}),
    ("code_prefix", "A" * 13, {"code_prefix": PREFIX}),
    *(
        ("start_date", day, {"start_date": [DATE_MESSAGE]})
        for day in (
            "2026-2-3", "2026-02-30", "20260203", "2026-02-03T00:00:00Z", "", "2026-W06-2",
            "٢٠٢٦-02-03", "1969-12-31", "9999-01-01", 20260203,
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "stored"), ACCEPTED)
def test_game_accepts(field: str, value: Any, stored: Any) -> None:
    """A value at the edge of its rule is taken, text trimmed."""
    assert getattr(read_game(WHOLE | {field: value}), field) == stored


@pytest.mark.parametrize(("field", "value", "errors"), REFUSED)
def test_game_refuses(field: str, value: Any, errors: dict[str, list[str]]) -> None:
    """A value beyond its rule is named by its dotted path, with the rule, and nothing else is."""
    with pytest.raises(InvalidGame) as refused:
        read_game(WHOLE | {field: value})
    assert refused.value.errors == errors


def test_game_defaults_apply() -> None:
    """What may be left out has the seed's defaults; what is unknown is ignored."""
    game = read_game(WHOLE | {"total_players": 5})
    assert game.model_dump() == WHOLE | {
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
        "code_prefix": "",
    }


def test_game_names_every_missing_field() -> None:
    """An empty definition lacks four fields, an entry of a file its partner too."""
    required = ("name", "description", "game_type", "reward_description")
    with pytest.raises(InvalidGame) as refused:
        read_game({})
    assert refused.value.errors == {name: [f"The {name} field is required."] for name in required}
    with pytest.raises(InvalidGame) as refused:
        read_entry(WHOLE | {"id": 0})
    assert list(refused.value.errors) == ["partner_id", "id"]


@pytest.mark.parametrize(
    ("start", "end", "ok"),
    [
        ("2026-05-01", "2026-05-02", True),
        ("2026-05-01", "2026-05-01", False),
        ("2026-05-02", "2026-05-01", False),
        (None, "2026-05-01", True),
        ("2026-05-01", None, True),
        ("1970-01-01", "9998-12-31", True),
    ],
)
def test_game_ends_after_it_starts(start: str | None, end: str | None, ok: bool) -> None:
    """The end must be later than the start, and may stand without one; other errors do not hide it."""
    fields = WHOLE | {"start_date": start, "end_date": end}
    if ok:
        read_game(fields)
        return
    with pytest.raises(InvalidGame) as refused:
        read_game(fields | {"name": "x"})
    assert refused.value.errors == {"name": NAME, "end_date": ["Must be after start_date"]}


def test_game_update_is_merged_and_checked_against_what_is_stored() -> None:
    """An update names what changes; the other end of a date range is the stored one."""
    stored = read_game(WHOLE | {"start_date": "2026-05-01", "coupon_validity_days": 7})
    changed = read_game(
        {"end_date": "2026-06-01", "coupon_validity_days": None}, stored.model_dump()
    )
    assert changed == Game.model_validate(
        stored.model_dump() | {"end_date": changed.end_date, "coupon_validity_days": None}
    )
    with pytest.raises(InvalidGame) as refused:
        read_game({"end_date": "2026-05-01", "description": None}, stored.model_dump())
    assert refused.value.errors == {
        "description": ["The description field is required."],
        "end_date": ["Must be after start_date"],
    }
