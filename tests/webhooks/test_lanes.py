"""How much of the way each partner's system gets: its own limits, all of them together, and those that hang."""

from __future__ import annotations

import pytest

from services.domain.webhooks.answers import AttemptError
from services.webhooks import lanes
from services.webhooks.lanes import MOST_IN_FLIGHT, Lanes
from tests.domain.webhooks.hooks import a_webhook


def begun(there: Lanes, partner_id: int, count: int) -> list[int]:
    return [there.begin(partner_id) for _ in range(count)]


def test_partner_has_room_up_to_its_own_limit() -> None:
    """What has ended makes room again; without any it is not named."""
    there = Lanes()
    numbers = begun(there, 1, 3)
    assert there.rooms({1: a_webhook(max_in_flight=5), 2: a_webhook(max_in_flight=7)}) == {
        1: 2,
        2: 7,
    }
    assert there.rooms({1: a_webhook(max_in_flight=3)}) == {}
    there.end(1, numbers[0], None)
    assert there.rooms({1: a_webhook(max_in_flight=3)}) == {1: 1}


def test_all_together_have_no_more_than_there_is() -> None:
    """Whoever has waited longest comes first."""
    asked = {number: a_webhook(max_in_flight=50) for number in range(1, 8)}
    assert list(Lanes().rooms(asked).values()) == [50, 50, 50, 50]


def test_system_that_ran_out_of_time_gets_half_of_all_at_most() -> None:
    """Until it answers again; the other half is for the others."""
    there = Lanes()
    begun(there, 9, MOST_IN_FLIGHT // 2 - 5)
    (number,) = begun(there, 1, 1)
    there.end(1, number, AttemptError.TIMEOUT)
    asked = {1: a_webhook(max_in_flight=50), 2: a_webhook(max_in_flight=50)}
    assert there.rooms(asked) == {1: 5, 2: 50}
    (number,) = begun(there, 1, 1)
    there.end(1, number, None)
    assert there.rooms(asked) == {1: 50, 2: 50}


def test_system_that_is_silent_for_long_counts_as_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its time has run out."""
    monkeypatch.setattr(lanes, "SLOW_AFTER_SECONDS", 0.0)
    there = Lanes()
    begun(there, 9, MOST_IN_FLIGHT // 2)
    begun(there, 1, 1)
    assert there.rooms({1: a_webhook(max_in_flight=50), 2: a_webhook(max_in_flight=50)}) == {2: 50}


def test_partner_has_so_many_a_second() -> None:
    """Whether they have ended or not."""
    there = Lanes()
    for number in begun(there, 1, 4):
        there.end(1, number, None)
    assert there.rooms({1: a_webhook(max_per_second=6)}) == {1: 2}
    assert there.rooms({1: a_webhook(max_per_second=4)}) == {}
