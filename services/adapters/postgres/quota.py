"""How many coupons a game with a total limit may still issue, held for one transaction.

A batch locks as few shares as cover what it may need and that nobody else holds, so batches of a hot game go on side
by side. Only when the free shares do not cover it does a batch wait for all of them: near the end, where exactness
needs it. A game with nothing left costs one read.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.coupons.issuing import Quota

_SQL = queries("quota")
_SHARES = 16


@dataclass(slots=True, kw_only=True)
class HeldShares:
    """Locked shares by game: (epoch, share, remaining) each."""

    by_game: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    @property
    def quota(self) -> Quota:
        """What may be issued from what is held."""
        return {
            game_id: sum(remaining for _, _, remaining in shares)
            for game_id, shares in self.by_game.items()
        }


async def hold(connection: Connection, needed: Mapping[int, int]) -> HeldShares:
    """Lock shares for up to `needed` coupons per game id, all games in one order."""
    held = HeldShares()
    if not needed:
        return held
    still = await left(connection, needed)
    for game_id in sorted(needed):
        held.by_game[game_id] = []
        if not still.get(game_id):
            continue
        shares = await _free(connection, game_id, needed[game_id])
        if shares is None:
            shares = await connection.fetch(_SQL["all_shares"], game_id)
        held.by_game[game_id] = [tuple(share) for share in shares]
    return held


async def left(connection: Connection, games: Collection[int]) -> dict[int, int]:
    """What these games may still issue, without holding any of it; a game without a limit is not in it."""
    rows = await connection.fetch(_SQL["left"], sorted(games))
    return {row["game_id"]: row["remaining"] for row in rows}


async def _free(connection: Connection, game_id: int, needed: int) -> list[asyncpg.Record] | None:
    """One share if it covers what is needed, else all free ones if they do; otherwise none is kept locked.

    The savepoint gives the locks back: two batches that each hold some and wait for all would wait for ever.
    """
    begin = random.randrange(_SHARES)
    await connection.execute("SAVEPOINT free_shares")
    for limit in (1, _SHARES):
        shares = await connection.fetch(_SQL["free_shares"], game_id, begin, limit)
        if sum(share["remaining"] for share in shares) >= needed:
            await connection.execute("RELEASE SAVEPOINT free_shares")
            return list(shares)
    await connection.execute("ROLLBACK TO SAVEPOINT free_shares")
    return None


async def use(connection: Connection, held: HeldShares, used: Mapping[int, int]) -> None:
    """Take `used` coupons per game id from the shares held; never more than they have."""
    rows: list[tuple[int, int, int, int]] = []
    for game_id, count in used.items():
        for epoch, share, remaining in held.by_game[game_id]:
            taken = min(count, remaining)
            if taken:
                rows.append((game_id, epoch, share, taken))
                count -= taken
        assert count == 0, "the rules issued more than the quota they were given"
    if rows:
        await connection.execute(_SQL["use"], *(list(column) for column in zip(*rows, strict=True)))
