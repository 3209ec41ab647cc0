"""The demo's partner and its games: all six types, the three scenarios of the Partner Games API, three closed games.

They are written to a file and loaded like anybody's games. Dates are a month away from today, so that no time zone
makes a difference.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

PARTNER = "Demo Café"
TIME_ZONE = "Europe/Vilnius"
MONTH = timedelta(days=30)


def game_file(partner_id: int, today: date) -> list[dict[str, Any]]:
    """Definitions as `couponry games load` reads them."""
    games = [
        _game(
            *("wheel", "Spin for a Coffee", "One free coffee"),
            "Scenario 1: one coupon at a time, good for 7 days.",
            allow_multiple_active_coupons=False,
            coupon_validity_days=7,
        ),
        _game(
            *("scratch", "Scratch and Save", "10 % off the next order"),
            "Scenario 2: coupons pile up, each good for a year.",
            coupon_validity_days=365,
        ),
        _game(
            *("collection", "All Twelve Cups", "A cup of the collection"),
            "Scenario 3: collectible coupons that never expire.",
        ),
        _game(
            *("quiz", "Coffee Quiz", "A bag of beans"),
            "One coupon at a time, with a prefix before its code.",
            allow_multiple_active_coupons=False,
            coupon_validity_days=30,
            code_prefix="QUIZ",
        ),
        _game(
            *("memory", "Pairs of Beans", "A slice of cake"),
            "Coupons pile up, each good for 30 days.",
            coupon_validity_days=30,
        ),
        _game(
            *("stamps", "The Tenth Coffee", "The tenth coffee is free"),
            "One full card at a time, and it never expires.",
            allow_multiple_active_coupons=False,
        ),
        _game(
            *("quiz", "Quiz on Hold", "A bag of beans"),
            "Switched off: completions are declined.",
            is_active=False,
        ),
        _game(
            *("wheel", "Next Month's Wheel", "A free croissant"),
            "Has not begun: completions are declined.",
            start_date=str(today + MONTH),
        ),
        _game(
            *("scratch", "Last Month's Scratch", "A free cookie"),
            "Is over: only what was played before counts, however late the event comes.",
            start_date=str(today - 2 * MONTH),
            end_date=str(today - MONTH),
        ),
    ]  # fmt: skip
    return [{"partner_id": partner_id, **game} for game in games]


def _game(game_type: str, name: str, reward: str, description: str, **rules: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "game_type": game_type,
        "reward_description": reward,
        **rules,
    }
