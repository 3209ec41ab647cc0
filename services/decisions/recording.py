"""Write what was decided: decisions, coupons and their steps, orders and stamps, and last the outbox rows.

Changes name the state they were decided upon; constraints judge everything. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.adapters.postgres import coupons, stamps
from services.adapters.postgres.dead_letters import bury
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.outbox import letter_row
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.rules import versions_in_force
from services.adapters.postgres.tables import add
from services.decisions.rows import Rows
from services.domain.letters import DeadLetter
from services.domain.program import Game

NO_GAMES: Mapping[int, Game] = {}


async def write(
    connection: Connection,
    rows: Rows,
    *,
    by_copy: bool = True,
    rules: Mapping[int, Game] = NO_GAMES,
) -> None:
    """Everything gathered, in the caller's transaction. `by_copy` as in `add`.

    Closed coupons first, since they free the places that opened and new ones take. Then the outbox, and last
    of all the proof that the `rules` used are still in force. Raises LostRace, or what a constraint raises.
    """
    await add(connection, "decisions", rows.decisions, by_copy=by_copy)
    await coupons.change(connection, rows.changes(opens=False))
    await coupons.change(connection, rows.changes(opens=True))
    await add(connection, "coupons", rows.coupons, by_copy=by_copy)
    await add(connection, "coupon_history", rows.history, by_copy=by_copy)
    await add(connection, "order_stamps", rows.stamps, by_copy=by_copy)
    await add(connection, "reversed_orders", rows.reversed_orders, by_copy=by_copy)
    await stamps.put_cards(connection, rows.cards.values())
    await stamps.take_back(connection, rows.stamps_back)
    await add(connection, "outbox", rows.outbox, by_copy=by_copy)
    versions = await versions_in_force(connection, rules)
    changed = [id_ for id_, game in rules.items() if versions.get(id_) != game.version]
    if changed:
        raise RulesChanged(changed)


class RulesChanged(LostRace):
    """`games`: ids of those that are at another version than they were used at, or gone."""

    def __init__(self, games: list[int]) -> None:
        super().__init__(f"the rules of games {games} changed meanwhile")
        self.games = games


def _place(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.position.topic, letter.position.partition, letter.position.offset


async def keep(
    connection: Connection, letters: Iterable[DeadLetter], rows: Rows
) -> list[DeadLetter]:
    """Keep dead letters and queue the new ones, which are returned: a record has one for ever.

    In the order of their places: whoever else keeps letters of the same records waits in it too.
    """
    new = []
    for letter in sorted(letters, key=_place):
        letter_id = await bury(connection, letter)
        if letter_id is not None:
            rows.outbox.append(letter_row(letter_id))
            new.append(letter)
    return new
