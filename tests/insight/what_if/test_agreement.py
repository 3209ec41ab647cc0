"""Decided again, history comes out as it was; under other rules, as a real run of them on the same events does.

Whole scripts of completions, orders, reversals, steps of staff, changes of the game and weeks of waiting are played
through the real pipeline on real Postgres, then decided again by the command, event by event.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from services.insight.what_if.comparing import Comparison
from services.insight.what_if.history import Happened
from services.insight.what_if.world import Answer
from tests.insight.what_if.script import a_script
from tests.insight.what_if.stand import Game, Table
from tests.stand.commands import Command

SINGLE = {"allow_multiple_active_coupons": False, "coupon_validity_days": 7}
MULTIPLE = {"allow_multiple_active_coupons": True, "coupon_validity_days": 7}
CAPPED = {
    **MULTIPLE,
    "customer_limit_per_day": 2,
    "customer_limit_per_week": 3,
    "customer_limit": 9,
}
TOTAL = {**MULTIPLE, "total_limit": 15}
CARD = {**SINGLE, "game_type": "stamps", "stamps_required": 2}
CHOSEN = {**CARD, "product_ids": [0]}

IN_THE_MIDDLE: list[dict[str, Any]] = [
    {"coupon_validity_days": 3}, {"coupon_validity_days": None}, {"is_active": False}, {"is_active": True},
    {"start_date": "2027-03-10"}, {"start_date": None}, {"end_date": "2027-03-20"}, {"end_date": None},
    {"customer_limit": 4}, {"customer_limit": None}, {"customer_limit_per_day": 1}, {"total_limit": 12},
    {"total_limit": None}, {"game_type": "stamps"}, {"game_type": "quiz"}, {"stamps_required": 3},
    {"allow_multiple_active_coupons": True}, {"allow_multiple_active_coupons": False},
]  # fmt: skip
FEW_IN_THE_MIDDLE = [
    fields for fields in IN_THE_MIDDLE if "allow_multiple_active_coupons" not in fields
]
"""Whether a game may be changed to the single rule hangs on who holds a coupon: no two worlds need agree on that."""


@dataclass(slots=True)
class Log:
    """Every decision that was compared, by its number."""

    before: dict[int, Answer]
    after: dict[int, Answer]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What the command compares, event by event."""
    log, add = Log({}, {}), Comparison.add

    def spied(self: Comparison, happened: Happened, before: Answer, after: Answer) -> None:
        log.before[happened.seq], log.after[happened.seq] = before, after
        add(self, happened, before, after)

    monkeypatch.setattr(Comparison, "add", spied)
    return log


async def by_event(game: Game, answers: Mapping[int, Answer]) -> dict[str, tuple[str | None, bool]]:
    """What was decided, by the event's name: the outcome, and whether it stamped the card."""
    rows = await game.database.fetch(
        "SELECT seq, event_id FROM decisions WHERE event_source = $1", game.source
    )
    names = {row["seq"]: row["event_id"] for row in rows}
    return {names[seq]: (one.outcome, one.is_stamped) for seq, one in answers.items()}


def really(game: Game, names: Mapping[str, Any]) -> dict[str, tuple[str | None, bool]]:
    """What the pipeline decided of these events."""
    return {name: (game.answers[name], name in game.stamped) for name in names}


@pytest.mark.parametrize(
    "fields", [SINGLE, MULTIPLE, CAPPED, TOTAL, CARD, CHOSEN],
    ids=["single", "multiple", "capped", "total", "card", "chosen"],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(2))
async def test_history_is_reproduced(
    table: Table, couponry: Command, log: Log, fields: dict[str, Any], seed: int
) -> None:
    """Without a change every outcome, reason and blocking coupon comes out as recorded, though the game was changed."""
    rng = random.Random(f"reproduced {seed} {fields}")
    game = await table.game(fields)
    await game.play(a_script(rng, orders=True, fields=IN_THE_MIDDLE, acts=60))

    report = (await couponry("what-if", "--game-id", game.game_id, "--json")).json()

    assert (report["reproduced"], report["mismatches"]) == (True, []), seed
    again = await by_event(game, log.after)
    assert again == really(game, again)
    assert again.keys() >= {name for name, answer in game.answers.items() if answer is not None}


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (SINGLE, {"allow_multiple_active_coupons": True}), (MULTIPLE, {"allow_multiple_active_coupons": False}),
    (CAPPED, {"allow_multiple_active_coupons": False}), (CARD, {"allow_multiple_active_coupons": True}),
    (SINGLE, {"coupon_validity_days": 1}), (SINGLE, {"coupon_validity_days": 30}),
    (SINGLE, {"coupon_validity_days": None}), (CARD, {"coupon_validity_days": 1}),
    (SINGLE, {"start_date": "2027-03-08"}), (MULTIPLE, {"end_date": "2027-03-12"}), (CARD, {"end_date": "2027-03-12"}),
    (CAPPED, {"customer_limit": 2}), (CAPPED, {"customer_limit_per_week": None}), (SINGLE, {"customer_limit_per_week": 1}),
    (MULTIPLE, {"customer_limit_per_month": 3}), (CARD, {"customer_limit": 1}),
    (TOTAL, {"total_limit": 5}), (TOTAL, {"total_limit": 40}), (SINGLE, {"total_limit": 4}), (TOTAL, {"total_limit": None}),
    (MULTIPLE, {"is_active": False}), (CARD, {"is_active": True}), (CARD, {"is_active": False}),
    (SINGLE, {"game_type": "stamps", "stamps_required": 2}), (CARD, {"game_type": "wheel"}),
    (CARD, {"stamps_required": 1}), (CARD, {"stamps_required": 4}),
    (SINGLE, {"allow_multiple_active_coupons": True, "customer_limit_per_week": 2, "coupon_validity_days": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "changes"), CHANGES)
async def test_changed_rules_agree_with_a_real_run(
    table: Table, couponry: Command, log: Log, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    """The same events, really played under the changed rules, come out as the command said, each of them."""
    rng = random.Random(f"agreement {fields} {changes}")
    script = a_script(rng, orders=True, fields=FEW_IN_THE_MIDDLE, acts=60)
    game = await table.game(fields)
    await game.play(script)
    other = await table.game(fields, fixed=changes, like=game)
    await other.play(script)
    settings = [f"--set={field}={as_text(value)}" for field, value in changes.items()]

    report = (await couponry("what-if", "--game-id", game.game_id, *settings, "--json")).json()

    said = await by_event(game, log.after)
    assert said == really(other, said)
    assert said != really(game, said), "this script shows no difference"
    assert report["mismatched"] == 0
    issued = sum(answer == "issued" for answer in other.answers.values())
    assert report["outcomes"]["issued"]["after"] == issued


def as_text(value: Any) -> str:
    """As it is typed: a bare word, or JSON."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


FROM_A_MOMENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (SINGLE, {"allow_multiple_active_coupons": True}), (SINGLE, {"coupon_validity_days": 1}),
    (CAPPED, {"customer_limit_per_week": 1, "customer_limit": None}), (TOTAL, {"total_limit": 30}),
    (CARD, {"stamps_required": 1}), (CARD, {"end_date": "2027-03-25"}), (SINGLE, {"game_type": "stamps", "stamps_required": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "changes"), FROM_A_MOMENT)
async def test_changes_from_a_moment_agree_with_a_real_change(
    table: Table, couponry: Command, log: Log, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    """With --from, what comes out is what a real change of the game at that moment led to."""
    rng = random.Random(f"from a moment {fields} {changes}")
    script = a_script(rng, orders=True, fields=(), acts=60)
    game = await table.game(fields)
    await game.play(script[:25])
    since = game.at + timedelta(minutes=3)
    await game.play(script[25:])
    other = await table.game(fields, like=game)
    await other.play(script[:25])
    other.at = since
    await other.change(changes)
    other.at = since - timedelta(minutes=3)
    await other.play(script[25:])
    settings = [f"--set={field}={as_text(value)}" for field, value in changes.items()]

    result = await couponry(
        "what-if", "--game-id", game.game_id, *settings, "--from", since.isoformat(), "--json"
    )

    report, said = result.json(), await by_event(game, log.after)
    assert (report["mismatched"], report["read"]) == (0, len(said))
    assert len(said) < len(game.answers)
    assert said == really(other, said)
    assert said != really(game, said), "this script shows no difference"
