"""Issue a coupon by hand: a completion like any other to the rules, told by staff instead of a game.

The decision's event is the request: source `/couponry/staff`, id the request's. The same request again, for the same
customer and game, is the same event and gets the same coupon; where an id is taken otherwise (request ids are the
callers' own), the event gets a longer one. What the rules decline is answered and leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import Final

import asyncpg

from schemas.partners.staff_coupons import IssueByHand
from services.adapters.draws import draws
from services.adapters.event_keys import event_key
from services.adapters.postgres import inbox, quota, states
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.queries import queries
from services.adapters.postgres.recording import write
from services.adapters.postgres.rows import Rows, add_verdict
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.idempotency import once
from services.api.partners.envelope import Reply, success
from services.api.partners.staff_answers import declined, found_body
from services.api.partners.staff_lookups import by_id
from services.api.partners.staff_steps import beginning_again
from services.domain.arrival import Incoming, LockedCustomer, Verdict
from services.domain.decision import DeclineReason
from services.domain.events import Cause, GameCompleted, Position
from services.domain.folding import decide_batch, issued_by_game
from services.domain.program import Program

SOURCE: Final = "/couponry/staff"
"""Also in place of a topic: no topic may have such a name."""
TYPE: Final = "staff.issue"
DECIDED_ONCE: Final = "an_event_is_decided_once"

_SQL = queries("staff")


@dataclass(slots=True, kw_only=True)
class _EventId:
    """The event's id; another one once it turns out to be taken."""

    value: str


async def issue(call: Call, asked: IssueByHand) -> Reply:
    """201 with the coupon. Raises Problem 409 with the reason for which the rules decline."""
    event_id = _EventId(value=call.request_id)

    async def work(connection: asyncpg.Connection) -> Reply:
        customer = (call.partner_id, asked.customer_id)
        locked = (await inbox.lock_customers(connection, {customer}, call.api.clock_offset))[
            customer
        ]
        coupon_id = await _issued_before(connection, asked, event_id.value, locked)
        is_new = coupon_id is None
        if coupon_id is None:
            coupon_id = await _issue(connection, call, asked, event_id, locked)
            await audit.record(
                connection, call, "coupon.issued", coupon_id, after=asked.model_dump()
            )
        found = await by_id(connection, coupon_id, call.api.clock_offset)
        return success(
            {"coupon": found_body(found)},
            status=201,
            message="Coupon issued successfully",
            headers=None if is_new else {"idempotent-replayed": "true"},
        )

    return await once(call, beginning_again(work))


async def _issued_before(
    connection: asyncpg.Connection, asked: IssueByHand, event_id: str, locked: LockedCustomer
) -> str | None:
    """The coupon that this very request got when it came before."""
    for row in await connection.fetch(_SQL["decision"], event_key(SOURCE, event_id)):
        if (row["customer_no"], row["game_id"]) == (locked.number, asked.game_id):
            return str(row["coupon_id"])
    return None


async def _issue(
    connection: asyncpg.Connection,
    call: Call,
    asked: IssueByHand,
    event_id: _EventId,
    locked: LockedCustomer,
) -> str:
    """Decide, write, and last of all make sure that the rules used are still in force: a batch of one."""
    incoming = _incoming(call.partner_id, asked, event_id.value, locked)
    customers = {incoming.customer: locked}
    program = Program(games=await inbox.load_games(connection, [asked.game_id]))
    known = await states.load_states(connection, [incoming], program, customers, ())
    limited = {id: 1 for id, game in program.games.items() if game.total_limit is not None}
    shares = await quota.hold(connection, limited)
    (verdict,), _ = decide_batch([incoming], program, known, customers, shares.quota, draws(1))
    if verdict.decision.coupon_id is None:
        assert isinstance(verdict.decision.reason, DeclineReason)
        raise declined(verdict.decision.reason)
    await _write(connection, call, verdict, program, event_id)
    await quota.use(connection, shares, issued_by_game([verdict], shares.quota))
    versions = await inbox.current_versions(connection, program.games)
    if any(versions.get(id) != game.version for id, game in program.games.items()):
        raise LostRace(f"the rules of game {asked.game_id} changed meanwhile")
    return verdict.decision.coupon_id


def _incoming(
    partner_id: int, asked: IssueByHand, event_id: str, locked: LockedCustomer
) -> Incoming:
    """The request as an event that happens at the instant it is decided."""
    event = GameCompleted(
        cause=Cause(source=SOURCE, id=event_id, type=TYPE),
        occurred_at=locked.at,
        partner_id=partner_id,
        game_id=asked.game_id,
        customer_id=asked.customer_id,
        won=True,
    )
    return Incoming(
        event=event,
        event_key=event_key(SOURCE, event_id),
        position=Position(topic=SOURCE, partition=0, offset=0),
        timestamp_ms=0,
    )


async def _write(
    connection: asyncpg.Connection, call: Call, verdict: Verdict, program: Program, id: _EventId
) -> None:
    rows = Rows()
    add_verdict(rows, verdict, program, call.api.writing)
    try:
        await write(connection, rows, by_copy=False)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == DECIDED_ONCE:
            id.value = f"{call.request_id}.{token_hex(4)}"
        raise
