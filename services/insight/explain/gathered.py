"""Everything stored around some events: rules, coupons, their steps, what waits to leave, what was done about letters.

A fixed number of look-ups, however many events: each takes all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from schemas.events.types import POINTS_REDEEM_REQUESTED
from schemas.topics import FOLLOW_UPS, PROGRAM_EVENTS
from services.adapters.postgres import points
from services.adapters.postgres.dead_letters import position_of
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.decisions.delivering import DELIVERED
from services.decisions.telling import lot_id
from services.domain.events import Position
from services.domain.points.wallet import EntryKind
from services.insight.explain.known import Known
from services.insight.explain.records import Arrival, arrivals
from services.runtime.settings import Settings

_SQL = queries("explain", __package__)

Row = asyncpg.Record
By = Mapping[Any, Sequence[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """By key: rules by (game, version); parties by customer number; coupons by id; the rest as named."""

    rules: Mapping[tuple[int, int], Mapping[str, Any]]
    parties: Mapping[int, Row]
    coupons: Mapping[Any, Row]
    coupons_of_event: By
    steps_of_coupon: By
    steps_of_event: By
    stamps_of_event: By
    entries_of_event: By
    """Of the ledger, in their order."""
    campaigns: Mapping[tuple[int, int], Mapping[int, str]]
    """Names by id, of a partner's program at a version."""
    deliveries_of_coupon: By
    attempts_of_coupon: By
    """At its deliveries."""
    by_hand: Mapping[str, Row]
    queued: By
    """By the `ce_id` of an event, or the number of a letter."""
    told: By
    """What waits to leave of what the program did, by the key of the event."""
    handled: By
    """What was done about a letter, by its number."""
    arrived: Mapping[Position, Arrival]


async def gather(connection: Connection, settings: Settings, known: Sequence[Known]) -> Gathered:
    """What surrounds these events. Newest records are looked up in the topics first."""
    decisions = [one.decision for one in known if one.decision is not None]
    letters = [letter["id"] for one in known for letter in one.letters]
    customers = _some(row["customer_no"] for row in decisions)
    coupons = await connection.fetch(
        _SQL["coupons_concerned"],
        _some(row[name] for row in decisions for name in ("coupon_id", "blocking_coupon_id")),
        customers,
        [row["event_key"] for row in decisions],
    )
    ids = [coupon["id"] for coupon in coupons]
    steps = await connection.fetch(_SQL["steps"], ids)
    orders = [row for row in decisions if row["order_id"] is not None]
    keys = [f"{row['event_key']}.declined.{game}" for row in decisions for game in _games(row)]
    keys += [f"{id_}.{word}" for id_ in ids for word in ("issued", DELIVERED)]
    keys += [f"{step['coupon_id']}.{step['step']}.{step['word']}" for step in steps]
    by_program = [row for row in decisions if row["program_version"] is not None]
    found = await connection.fetch(_SQL["parties"], customers)
    parties = {row["customer_no"]: row for row in found}
    entries = await points.entries_of_events(
        connection, list(parties), [row["event_key"] for row in decisions]
    )
    ends = _ends(decisions, parties, entries)
    queued = await connection.fetch(
        _SQL["still_queued"],
        [*keys, *ends],
        letters,
        [str(row["event_key"]) for row in decisions if _may_be_told(row)],
    )
    return Gathered(
        rules=await _rules(connection, [*decisions, *coupons]),
        parties=parties,
        coupons={coupon["id"]: coupon for coupon in coupons},
        coupons_of_event=_by("event_key", coupons),
        steps_of_coupon=_by("coupon_id", steps),
        steps_of_event=_by("event_key", steps),
        stamps_of_event=_by("event_key", await connection.fetch(
            _SQL["stamps"], *([row[name] for row in orders] for name in ("partner_id", "order_id", "event_key"))
        )),
        entries_of_event=_by("event_key", entries),
        campaigns=await _campaigns(connection, by_program),
        deliveries_of_coupon=_by("coupon_id", await connection.fetch(_SQL["deliveries"], ids)),
        attempts_of_coupon=_by("coupon_id", await connection.fetch(_SQL["attempts"], ids)),
        by_hand={row["subject_id"]: row for row in await connection.fetch(
            _SQL["issued_by_hand"],
            [coupon["partner_id"] for coupon in coupons],
            [str(id_) for id_ in ids],
        )},
        queued=_by("ce_id", queued) | _by("dead_letter_id", queued),
        told=_told(queued, ends),
        handled=_by("dead_letter_id", await connection.fetch(_SQL["handled"], letters)),
        arrived=await arrivals(
            settings,
            (
                (position_of(row), str(row["event_key"]))
                for row in reversed(decisions)
            ),
        ),
    )  # fmt: skip


def _may_be_told(decision: Row) -> bool:
    """In events of the program: a request for a coupon is answered there, by a partner without a program too."""
    return (
        decision["program_version"] is not None or decision["event_type"] == POINTS_REDEEM_REQUESTED
    )


def _ends(
    decisions: Iterable[Row], parties: Mapping[int, Row], entries: Iterable[Row]
) -> dict[str, str]:
    """Lots that these decisions found to be over: the `ce_id` of what is told of each, and the key of its event."""
    customers = {row["event_key"]: parties[row["customer_no"]] for row in decisions}
    ends: dict[str, str] = {}
    for row in entries:
        if row["kind"] == EntryKind.EXPIRED:
            ((lot, *_),), who = orjson.loads(row["takes"]), customers[row["event_key"]]
            id_ = lot_id(who["partner_id"], who["customer_id"], lot)
            ends[f"{id_}.{row['kind']}"] = str(row["event_key"])
    return ends


def _told(queued: Iterable[Row], ends: Mapping[str, str]) -> By:
    """What is of the program alone: coupons' events are told one by one."""
    told: dict[Any, list[Row]] = defaultdict(list)
    for row in queued:
        if row["topic"] in (PROGRAM_EVENTS, FOLLOW_UPS):
            key = ends.get(row["ce_id"]) or row["ce_id"].partition(".")[0]
            told[key].append(row)
    return dict(told)


async def _campaigns(
    connection: Connection, decisions: Sequence[Row]
) -> dict[tuple[int, int], dict[int, str]]:
    wanted = sorted({(row["partner_id"], row["program_version"]) for row in decisions})
    names: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    found = await connection.fetch(
        _SQL["campaign_names"], [one for one, _ in wanted], [version for _, version in wanted]
    )
    for row in found:
        names[row["partner_id"], row["version"]][row["id"]] = row["name"]
    return dict(names)


def _games(decision: Row) -> list[int]:
    """The games an event may have been declined for: a completion's own; an order's are not told one by one."""
    return [] if decision["game_id"] is None else [decision["game_id"]]


async def _rules(
    connection: Connection, rows: Iterable[Row]
) -> dict[tuple[int, int], Mapping[str, Any]]:
    wanted = {(row["game_id"], row["rule_version"]) for row in rows} - {(None, None)}
    named = sorted(pair for pair in wanted if None not in pair)
    found = await connection.fetch(
        _SQL["rules"], [game for game, _ in named], [version for _, version in named]
    )
    return {(row["game_id"], row["version"]): orjson.loads(row["rules"]) for row in found}


def _some(values: Iterable[Any]) -> list[Any]:
    return list({value for value in values if value is not None})


def _by(name: str, rows: Iterable[Row]) -> dict[Any, list[Row]]:
    grouped: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if row[name] is not None:
            grouped[row[name]].append(row)
    return dict(grouped)
