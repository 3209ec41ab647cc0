"""The events of the benchmark are what its pages say they are."""

from __future__ import annotations

from dataclasses import replace

from bench.databases import REWARD, VALIDITY_DAYS
from bench.peers.bare_publish import MESSAGE_BYTES
from bench.tape import taped
from bench.workload import MULTIPLE_GAMES, PARTNER_ID, SINGLE_GAMES, make_workload
from services.domain.program import Game, Program

RECORDS = 5_000
GAME = Game(
    id=0,
    partner_id=PARTNER_ID,
    version=1,
    is_active=True,
    allow_multiple_active_coupons=True,
    coupon_validity_days=VALIDITY_DAYS,
    starts_at=None,
    ends_at=None,
    reward_description=REWARD,
)
PROGRAM = Program(
    games={
        id_: replace(GAME, id=id_, allow_multiple_active_coupons=id_ in MULTIPLE_GAMES)
        for id_ in SINGLE_GAMES + MULTIPLE_GAMES
    }
)


def test_workload_has_the_documented_mix() -> None:
    """About 95 % of the events issue, one record in a hundred is a repeat, and the seed fixes all of it."""
    workload = make_workload(RECORDS)

    assert workload == make_workload(RECORDS) != make_workload(RECORDS, seed=2)
    assert len(workload.decided()) == RECORDS - RECORDS // 100 + 1
    assert 0.93 < len(workload.issued()) / len(workload.decided()) < 0.97


def test_workload_is_worth_the_same_however_many_customers_are_there() -> None:
    """Growth compares like with like: known customers play only games that always issue."""
    due = {len(make_workload(RECORDS, returning=known).issued()) for known in (100, 10_000)}

    assert len(due) == 1


async def test_tape_holds_the_rows_of_the_services_own_rules() -> None:
    """Raw COPY writes a decision and an outbox row per event, a coupon per issue, each customer once."""
    workload = make_workload(RECORDS)
    events = workload.decided()

    batches = await taped(PROGRAM, events, 1_000)

    rows = dict.fromkeys(("customers", "decisions", "coupons", "outbox"), 0)
    for copy in (copy for copies in batches for copy in copies):
        rows[copy.table] += len(copy.rows)
    assert len(batches) == 5
    assert rows == {
        "customers": len({event.customer_id for event in events}),
        "decisions": len(events),
        "coupons": len(workload.issued()),
        "outbox": len(events),
    }


async def test_bare_publish_sends_messages_as_long_as_ours() -> None:
    """The yardstick for latency carries as many bytes as a real `coupon.issued`."""
    ((*_, outbox),) = await taped(PROGRAM, make_workload(50).issued(), 1_000)
    value = outbox.columns.index("value")

    assert {MESSAGE_BYTES - len(row[value]) for row in outbox.rows} <= {0, 1}  # true or false
