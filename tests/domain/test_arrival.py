"""In which order events are decided."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.arrival import Incoming, in_deciding_order
from services.domain.events import Cause, GameCompleted, Position

Place = tuple[str, int, int]


def arrival(place: Place, timestamp_ms: int) -> Incoming:
    topic, partition, offset = place
    return Incoming(
        event=GameCompleted(
            cause=Cause(source="/games", id=f"{place}", type="game.completed"),
            occurred_at=datetime(2026, 3, 1, tzinfo=UTC), partner_id=1, game_id=2, customer_id="anna", won=True,
        ),
        event_key=f"{place}",
        position=Position(topic=topic, partition=partition, offset=offset),
        timestamp_ms=timestamp_ms,
    )  # fmt: skip


def places(arrivals: list[Incoming]) -> list[Place]:
    return [(a.position.topic, a.position.partition, a.position.offset) for a in arrivals]


@pytest.mark.parametrize(
    ("stamped", "order"),
    [
        # One partition: a producer's clock that goes back changes nothing.
        ({("g", 0, 1): 5_000, ("g", 0, 2): 0}, [("g", 0, 1), ("g", 0, 2)]),
        # Two: the second is met when the first has come as far.
        (
            {("g", 0, 1): 10, ("g", 0, 2): 3, ("g", 1, 1): 5, ("g", 1, 2): 12},
            [("g", 1, 1), ("g", 0, 1), ("g", 0, 2), ("g", 1, 2)],
        ),
        # Equal times: by name and place.
        ({("o", 0, 1): 7, ("g", 1, 9): 7, ("g", 0, 4): 7}, [("g", 0, 4), ("g", 1, 9), ("o", 0, 1)]),
    ],
)
def test_order_is_that_of_the_offsets(stamped: dict[Place, int], order: list[Place]) -> None:
    """Within a partition; between partitions that of the latest timestamp of each."""
    arrivals = [arrival(place, at) for place, at in stamped.items()]
    for shuffled in (arrivals, arrivals[::-1]):
        assert places(in_deciding_order(shuffled)) == order


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["g", "o"]), st.integers(0, 2), st.integers(0, 9)),
        st.integers(0, 50),
    ),
    st.randoms(use_true_random=False),
)
def test_no_record_overtakes_one_before_it(
    stamped: dict[Place, int], chance: random.Random
) -> None:
    """Whatever the timestamps, each partition keeps its order; and where timestamps only grow, they are the order."""
    arrivals = [arrival(place, at) for place, at in stamped.items()]
    chance.shuffle(arrivals)
    ordered = in_deciding_order(arrivals)
    assert sorted(places(ordered)) == sorted(stamped)
    for partition in {place[:2] for place in stamped}:
        offsets = [place[2] for place in places(ordered) if place[:2] == partition]
        assert offsets == sorted(offsets)
    grown = [arrival(place, place[2]) for place in stamped]
    assert all(
        (a.timestamp_ms, place_a) <= (b.timestamp_ms, place_b)
        for (a, place_a), (b, place_b) in pairwise(
            zip(in_deciding_order(grown), places(in_deciding_order(grown)), strict=True)
        )
    )
