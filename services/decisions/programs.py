"""The rules a batch needs, from a cache whose every use is confirmed at the commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.adapters.postgres import rules
from services.adapters.postgres.pool import Connection
from services.domain.events import Event
from services.domain.needs import names
from services.domain.partner_program import PartnerProgram
from services.domain.program import Game, GameType, Program
from services.domain.unjudged import Unjudgeable, UnreadGame

MAX_CACHED_GAMES = 20_000
MAX_CACHED_PROGRAMS = 1_000


class UnreadGames(Exception):
    """Games that were asked for beyond what events name."""

    def __init__(self, games: Iterable[UnreadGame]) -> None:
        self.games = tuple(games)
        super().__init__("; ".join(game.why for game in self.games[:3]))


class Programs:
    """Games by id and programs by partner, as they were when last read.

    The commit has the last word, so a stale one costs one retry.
    """

    def __init__(self, known: PartnerProgram | None = None) -> None:
        self._games: dict[int, Game] = {}
        self._partners: dict[int, PartnerProgram] = {}
        if known is not None:
            self._partners[known.partner_id] = known

    async def load(self, connection: Connection, events: Sequence[Event]) -> Program:
        """The games that these events name, the stamp games their orders may stamp, and their partners' programs.

        Raises Unjudgeable.
        """
        partners = await self._programs_of(connection, {event.partner_id for event in events})
        ids: set[int] = set()
        stamping: set[int] = set()
        named = [names(event) for event in events]
        for each in named:
            if each.game_id is not None:
                ids.add(each.game_id)
            if each.stamps_of is not None:
                stamping.add(each.stamps_of)
        if stamping:
            versions = await rules.stamp_game_versions(connection, stamping)
            self.forget(id_ for id_, version in versions.items() if self._is_other(id_, version))
            ids |= versions.keys()
        games, unread = await self._games_of(connection, ids)
        if any(game.concerns(event) for game in unread for event in events):
            raise Unjudgeable(games=unread)
        asking = {
            game.partner_id
            for game in games.values()
            if game.game_type is GameType.STAMPS and game.product_ids
        }
        skus = {
            (each.stamps_of, sku)
            for each in (named if asking else ())
            if each.stamps_of in asking
            for sku in each.skus
        }
        products = await rules.products_of_skus(connection, skus)
        return Program(games=games, products=products, partners=partners)

    async def with_games(self, connection: Connection, program: Program, ids: set[int]) -> Program:
        """The same program with these games too."""
        if ids <= program.games.keys():
            return program
        more, unread = await self._games_of(connection, ids - program.games.keys())
        if unread:
            raise UnreadGames(unread)
        return replace(program, games={**program.games, **more})

    def forget(self, ids: Iterable[int], partners: Iterable[int] = ()) -> None:
        """Drop games and programs that turned out to be at another version."""
        for id_ in list(ids):
            self._games.pop(id_, None)
        for partner_id in partners:
            self._partners.pop(partner_id, None)

    def _is_other(self, id_: int, version: int) -> bool:
        return id_ in self._games and self._games[id_].version != version

    async def _programs_of(
        self, connection: Connection, ids: set[int]
    ) -> dict[int, PartnerProgram]:
        # What the cache holds is taken before waiting: another lane may empty it meanwhile.
        programs = {id_: self._partners[id_] for id_ in ids if id_ in self._partners}
        loaded, unread = await rules.load_programs(connection, ids - programs.keys())
        if unread:
            raise Unjudgeable(games=unread.values())
        if len(self._partners) + len(loaded) > MAX_CACHED_PROGRAMS:
            self._partners.clear()
        self._partners.update(loaded)
        return programs | loaded

    async def _games_of(
        self, connection: Connection, ids: set[int]
    ) -> tuple[dict[int, Game], list[UnreadGame]]:
        # What the cache holds is taken before waiting: another lane may empty it meanwhile.
        games = {id_: self._games[id_] for id_ in ids if id_ in self._games}
        loaded, unread = await rules.load_readable(connection, ids - games.keys())
        if len(self._games) + len(loaded) > MAX_CACHED_GAMES:
            self._games.clear()
        self._games.update(loaded)
        return games | loaded, list(unread.values())
