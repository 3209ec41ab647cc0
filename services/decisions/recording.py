"""Write what was decided: decisions, coupons and their steps, orders and stamps, and last the outbox rows.

Changes name the state they were decided upon; constraints judge everything. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.adapters.postgres import coupons, groups, points, profiles, purchases, stamps
from services.adapters.postgres.dead_letters import bury
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.outbox import letter_row
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.rules import versions_in_force
from services.adapters.postgres.tables import add
from services.decisions.accounts import Accounts
from services.decisions.rows import Rows
from services.domain.letters import DeadLetter
from services.domain.program import Program

NO_RULES = Program()
"""Of what no rule decides."""


async def write(
    connection: Connection,
    rows: Rows,
    *,
    by_copy: bool = True,
    rules: Program = NO_RULES,
) -> None:
    """Everything gathered, in the caller's transaction. `by_copy` as in `add`.

    Closed coupons first, since they free the places that opened and new ones take; what has happened to new ones since
    then, once they are there. Then the outbox, and last of all the proof that the `rules` used are still in force.
    Raises LostRace, or what a constraint raises.
    """
    await add(connection, "decisions", rows.decisions, by_copy=by_copy)
    await coupons.change(connection, rows.changes(opens=False))
    await coupons.change(connection, rows.changes(opens=True))
    await add(connection, "coupons", rows.coupons, by_copy=by_copy)
    await groups.give_codes(connection, rows.given_codes)
    await coupons.change(connection, rows.changes_of_new())
    await add(connection, "coupon_history", rows.history, by_copy=by_copy)
    await add(connection, "order_stamps", rows.stamps, by_copy=by_copy)
    await add(connection, "reversed_orders", rows.reversed_orders, by_copy=by_copy)
    await stamps.put_cards(connection, rows.cards.values())
    await stamps.take_back(connection, rows.stamps_back)
    await _write_accounts(connection, rows.accounts, by_copy=by_copy)
    await add(connection, "outbox", rows.outbox, by_copy=by_copy)
    games, programs = await versions_in_force(connection, rules.games, rules.partners)
    changed = [id_ for id_, game in rules.games.items() if games.get(id_) != game.version]
    moved = [id_ for id_, each in rules.partners.items() if programs.get(id_) != each.revision]
    if changed or moved:
        raise RulesChanged(changed, moved)


async def _write_accounts(connection: Connection, accounts: Accounts, *, by_copy: bool) -> None:
    """What the program made of customers: nothing for partners without one."""
    await add(connection, "ledger", accounts.entries, by_copy=by_copy)
    await add(connection, "manual_transactions", accounts.bookings, by_copy=by_copy)
    await points.put_wallets(connection, accounts.wallets())
    await points.change_lots(connection, accounts.changed_lots())
    await add(connection, "lots", accounts.new_lots(), by_copy=by_copy)
    await profiles.put(connection, accounts.profiles())
    await add(connection, "purchases", accounts.purchases, by_copy=by_copy)
    await purchases.note_refunds(connection, accounts.refunds())
    await purchases.put_before(connection, accounts.refunds_before.values())
    await purchases.put_uses(connection, accounts.uses)
    await purchases.give_uses_back(connection, accounts.uses_back)


class RulesChanged(LostRace):
    """`games` and `partners`: ids of those that are, or whose program is, at another version than used, or gone."""

    def __init__(self, games: list[int], partners: list[int]) -> None:
        super().__init__(
            f"the rules of games {games}, or programs of partners {partners}, changed meanwhile"
        )
        self.games = games
        self.partners = partners


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
