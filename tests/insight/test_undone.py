"""What a redemption took comes back as it was taken, entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from services.insight.verify.undone import Redemptions

TOOK = [[1, 30, 0], [2, 70, 0]]


def _entry(
    kind: str, key: str, takes: list[list[int]], source: str = "redemption"
) -> dict[str, Any]:
    return {"number": 7, "kind": kind, "source_kind": source, "event_key": key, "takes": str(takes)}


@pytest.mark.parametrize(
    ("back", "faults"),
    [
        ([[1, -30, 0], [2, -70, 0]], []),
        ([[2, -70, 0], [1, -30, 0]], []),
        (
            [[1, -40, 0], [2, -60, 0]],
            [": entry 7 gives back other points than decision bought took"],
        ),
        ([[1, -30, 0]], [": entry 7 gives back other points than decision bought took"]),
        (
            None,
            [" gave a coupon back by decision undid, and not the points that decision bought took"],
        ),
    ],
)
def test_undone_redemption_gives_back_what_it_took(
    back: list[list[int]] | None, faults: list[str]
) -> None:
    """The very points of the very lots, in whatever order."""
    redemptions = Redemptions()
    redemptions.note(_entry("spent", "bought", TOOK))
    if back is not None:
        redemptions.note(_entry("restored", "undid", back))
    assert list(redemptions.faults([("undid", "bought")])) == faults


def test_redemption_is_undone_once() -> None:
    """A second time nothing is left to give back, whoever says that it did; nor of what was booked by hand."""
    redemptions = Redemptions()
    redemptions.note(_entry("spent", "bought", TOOK))
    redemptions.note(_entry("spent", "booked", TOOK, source="manual"))
    back = [[lot, -points, 0] for lot, points, _ in TOOK]
    for key in ("undid", "again", "booked too", "nobody"):
        redemptions.note(_entry("restored", key, back))
    undone = [("undid", "bought"), ("again", "bought"), ("booked too", "booked")]
    assert list(redemptions.faults(undone)) == [
        ": entry 7 gives back other points than decision bought took",
        ": entry 7 gives back other points than decision booked took",
        ": entry 7 gives points back, and its decision undid no redemption, or did before",
    ]
