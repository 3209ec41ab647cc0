"""Values that are made by the million: nothing about them differs but the price."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from services.domain.events import Cause

CAUSE = Cause(source="/games", id="e-1", type="game.completed")


def test_quickly_made_value_is_compared_and_hashed_by_its_fields() -> None:
    """Like a frozen dataclass, so it may be a key, and another one with a field changed is another value."""
    assert Cause(source="/games", id="e-1", type="game.completed") == CAUSE
    assert {CAUSE: 1}[replace(CAUSE, id="e-1")] == 1
    assert all(replace(CAUSE, **{one.name: "other"}) != CAUSE for one in fields(Cause))


def test_quickly_made_value_takes_no_other_field() -> None:
    """It has slots, and its fields are named; that nobody assigns to one is the type checker's to hold."""
    with pytest.raises(AttributeError):
        CAUSE.reason = "none"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Cause("/games", "e-1", "game.completed")  # type: ignore[call-arg]


def nobody_assigns(cause: Cause) -> None:
    """Never called: an assignment that the type checker stops refusing is an unused `ignore`, which it tells."""
    cause.id = "e-2"  # type: ignore[misc]
