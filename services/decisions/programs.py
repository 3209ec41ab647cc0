"""The rules a batch needs, from a cache whose every use is checked at the commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from services.adapters.postgres import inbox
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.domain.arrival import Incoming
from services.domain.events import GameCompleted, OrderPlaced
from services.domain.program import Game, Program

MAX_CACHED_GAMES = 20_000


class Programs:
    """Games by id, as they were when last read. `confirm` has the last word, so a stale one costs one retry."""

    def __init__(self) -> None:
        self._games: dict[int, Game] = {}

    async def load(
        self,
        connection: Connection,
        arrivals: Iterable[Incoming],
        redeemed_games: Iterable[int],
    ) -> Program:
        """The games that these events name, the stamp games their orders may stamp, and those named besides."""
        ids = set(redeemed_games)
        stamping: set[int] = set()
        for one in arrivals:
            if isinstance(one.event, GameCompleted):
                ids.add(one.event.game_id)
            elif isinstance(one.event, OrderPlaced):
                stamping.add(one.event.partner_id)
        if stamping:
            versions = await inbox.stamp_game_versions(connection, stamping)
            self._forget(versions)
            ids |= versions.keys()
        # What the cache holds is taken before waiting: another lane may empty it meanwhile.
        games = {id_: self._games[id_] for id_ in ids if id_ in self._games}
        unknown = ids - games.keys()
        if unknown:
            loaded = await inbox.load_games(connection, unknown)
            if len(self._games) > MAX_CACHED_GAMES:
                self._games.clear()
            self._games.update(loaded)
            games.update(loaded)
        return Program(games=games)

    async def confirm(self, connection: Connection, program: Program) -> None:
        """Raise LostRace unless every game is still at the version it was used at."""
        if not program.games:
            return
        changed = self._forget(await inbox.current_versions(connection, program.games))
        if changed:
            raise LostRace(f"the rules of games {changed} changed meanwhile")

    def _forget(self, versions: dict[int, int]) -> Sequence[int]:
        """Drop, and return, the games that are cached at another version."""
        changed = [
            id_
            for id_, version in versions.items()
            if id_ in self._games and self._games[id_].version != version
        ]
        for id_ in changed:
            del self._games[id_]
        return changed


def capped(program: Program, arrivals: Collection[Incoming]) -> dict[int, int]:
    """The most coupons these events can ask of each game with a total limit."""
    needed: dict[int, int] = {}
    limited = [game for game in program.games.values() if game.total_limit is not None]
    for game in limited:
        needed[game.id] = sum(
            one.event.game_id == game.id
            if isinstance(one.event, GameCompleted)
            else isinstance(one.event, OrderPlaced) and one.event.partner_id == game.partner_id
            for one in arrivals
        )
    return needed
