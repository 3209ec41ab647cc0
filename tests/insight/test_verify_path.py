"""I5 planted: histories that are no path, each found for what it is, and nothing else."""

from __future__ import annotations

import pytest

from services.adapters.postgres.pool import connect
from services.insight.verify.run import verify
from services.runtime.settings import Settings

A_COUPON = "SELECT id FROM coupons WHERE game_id = 3 ORDER BY id LIMIT 1"
NO_MACHINE = (
    "ALTER TABLE coupon_history DROP CONSTRAINT a_step_is_a_transition_of_the_state_machine;"
)


def steps(*taken: tuple[int, str, str, str], status: str, count: int) -> str:
    """Statements that give a coupon these steps (number, was, word, status) and say where it stands."""
    rows = ", ".join(
        f"(({A_COUPON}), {number}, 1, now(), '{word}', '{was}', '{after}', 'test')"
        for number, was, word, after in taken
    )
    redeemed = "now()" if status == "redeemed" else "NULL"
    return (
        "INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)"
        f" VALUES {rows};"
        f"UPDATE coupons SET status = '{status}', steps = {count}, redeemed_at = {redeemed}"
        f" WHERE id = ({A_COUPON})"
    )


REDEEMED = (1, "active", "redeemed", "redeemed")
REINSTATED = (2, "redeemed", "reinstated", "active")

FAULTS = {
    "a redeemed coupon without a step": (
        f"UPDATE coupons SET status = 'redeemed', redeemed_at = now() WHERE id = ({A_COUPON})",
        ["is redeemed after 0 steps, none of which"],
    ),
    "steps counted that were not taken": (
        f"UPDATE coupons SET steps = 2 WHERE id = ({A_COUPON})",
        ["is active after 2 steps, none of which"],
    ),
    "a status that is not the last step's": (
        steps(REDEEMED, status="active", count=1),
        ["is active but its last step made it redeemed"],
    ),
    "a count that is not the last step's": (
        steps(REDEEMED, REINSTATED, status="active", count=1),
        ["counts 1 steps but its last is step 2"],
    ),
    "a step left out": (
        steps(REDEEMED, (3, "redeemed", "reinstated", "active"), status="active", count=3),
        ["has step 3 after step 1"],
    ),
    "a step from where it did not stand": (
        steps((1, "reserved", "redeemed", "redeemed"), status="redeemed", count=1),
        ["left reserved in step 1 but stood at active"],
    ),
    "redeemed twice": (
        steps(REDEEMED, (2, "active", "redeemed", "redeemed"), status="redeemed", count=2),
        ["left active in step 2 but stood at redeemed"],
    ),
    "a step no coupon may take": (
        NO_MACHINE + steps((1, "active", "released", "active"), status="active", count=1),
        ["lacks its constraint", "was released from active to active in step 1"],
    ),
    "back from expired": (
        NO_MACHINE
        + steps(
            (1, "active", "expired", "expired"),
            (2, "expired", "reinstated", "active"),
            status="active",
            count=2,
        ),
        ["lacks its constraint", "was reinstated from expired to active in step 2"],
    ),
    "a history of nothing": (
        """
        INSERT INTO coupon_history (coupon_id, step, partner_id, at, word, was, status, actor)
        VALUES ('00000000-0000-7000-8000-000000000000', 1, 1, now(), 'redeemed', 'active', 'redeemed', 'test')
        """,
        ["has a history but does not exist"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_history_that_is_no_path(copied: Settings, fault: str) -> None:
    """Each fault is found under I5, as often as it is there, and nothing else is."""
    statements, expected = FAULTS[fault]
    owner = await connect(copied, "test", role=None)
    await owner.execute(statements)
    await owner.close()
    found = (await verify(copied, lambda _line: None)).violations

    assert [one.invariant for one in found] == ["I5"] * len(expected), found
    for words, one in zip(expected, found, strict=True):
        assert words in one.detail
