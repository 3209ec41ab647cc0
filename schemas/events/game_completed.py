"""Topic `game-completed`: a customer finished a game. Incoming; owned by the games' front ends."""

from __future__ import annotations

from typing import Literal

from schemas.fields import CustomerId, Id, Incoming, Text


class GameCompleted(Incoming):
    """Data of `game.completed`. `score` is a finite number; `result` may be left out, but not null."""

    partner_id: Id
    game_id: Id
    customer_id: CustomerId
    session_id: Text | None = None
    result: Literal["won", "lost"] = "won"
    score: float | None = None
