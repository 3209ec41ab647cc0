"""What came of a script: all that is stored and all that leaves, with names in the place of whatever is drawn or counted.

Coupons are called by the event that earned them, games, shops and products as in the script, and instants are minutes
from its beginning: acts are whole minutes apart, and a door needs less than one for any act.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.domain.arrival import Verdict
from services.domain.coupons.codes import display
from services.domain.coupons.effects import GrantCoupon, IssueCoupon
from services.domain.coupons.lifecycle import RESERVATION_LAPSED, VALIDITY_OVER
from services.domain.events import OrderPlaced
from tests.doors.doors import PLAYED, Reports

Account = dict[str, Any]
"""By section (decisions, coupons, …), then by name."""

EXPIRING: Final = "coupon.expiring"
_BY_TIME: Final = ("coupon.expired", "coupon.released")
_is_instant = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z").fullmatch


@dataclass(slots=True, kw_only=True)
class Names:
    """What the ids, codes and places of one play stand for. `shown` are coupon ids by code, as people see it."""

    partner_id: int
    beginning: datetime
    games: Mapping[int, str]
    shops: Mapping[int, str]
    products: Mapping[int, str]
    places: Mapping[int, str]
    acts: Mapping[str, int]
    rules: Mapping[int, str]
    coupons: dict[str, str] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    causes: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)

    def add_coupon(self, id: str, code: str, prefix: str, name: str) -> None:
        self.coupons[id] = name
        self.codes[code] = self.codes[display(code, prefix)] = f"code of {name}"
        self.shown[display(code, prefix)] = id

    def plain(self, value: Any, of: str = "") -> Any:
        """The value of a field of that name, in words."""
        match value:
            case Mapping():
                if of == "cause":
                    return self.causes[value["source"], value["id"]]
                if of == "source" and value["kind"] == "game":
                    return self.games[int(value["id"])]
                if of == "source" and value["kind"] == "redemption":
                    return self.rules[int(value["id"])]
                return {name: self.plain(one, name) for name, one in value.items()}
            case list() | tuple():
                return [self.plain(one, of) for one in value]
            case datetime():
                return self.minute(value)
            case UUID():
                return self.plain(str(value), of)
            case str():
                return self._text(value, of)
            case bool() | None:
                return value
            case int():
                return self._number(value, of)
            case _:
                return value

    def minute(self, at: datetime) -> str:
        """Whole minutes since the script began, rounded down."""
        since = (at - self.beginning) // timedelta(minutes=1)
        days, minutes = divmod(since, 24 * 60)
        return f"day {days} {minutes // 60:02}:{minutes % 60:02}"

    def _text(self, text: str, of: str) -> str:
        if of in ("ce_id", "entry_id"):
            return self._message(text)
        if _is_instant(text):
            return self.minute(datetime.fromisoformat(text))
        return self.coupons.get(text) or self.codes.get(text) or self.events.get(text) or text

    def _message(self, id: str) -> str:
        """The id of a message: of a coupon and the number of its step, of an event and a game, of a notice's second."""
        subject, *rest = id.split(".")
        if rest[-1] == "expiring":
            rest = ["expiring"]
        elif rest[0] == "declined":
            rest[1] = self.games[int(rest[1])]
        return ".".join((self._text(subject, ""), *rest))

    def _number(self, number: int, of: str) -> int | str:
        match of:
            case "game_id":
                return self.games[number]
            case "rule_id":
                return self.rules[number]
            case "shop_id" | "reserved_shop_id":
                return self.shops[number]
            case "product_ids":
                return self.products[number]
            case "partner_id":
                return "the partner" if number == self.partner_id else f"partner {number}"
            case _:
                return number


async def names_of(database: asyncpg.Connection, **known: Any) -> Names:
    """Names of everything that a play has brought about so far."""
    names = Names(**known)
    for row in await database.fetch(
        "SELECT event_key, event_source, event_id FROM decisions WHERE partner_id = $1",
        names.partner_id,
    ):
        # An event of staff carries the partner's number: requests of all partners share one source.
        name = row["event_id"].removesuffix(f".{names.partner_id}")
        names.events[str(row["event_key"])] = name
        names.causes[row["event_source"], row["event_id"]] = name
    for row in await database.fetch(
        "SELECT id, code, code_prefix, game_id, event_key, order_id FROM coupons JOIN"
        " (SELECT event_key, order_id FROM decisions) AS d USING (event_key) WHERE partner_id = $1",
        names.partner_id,
    ):
        name = names.events[str(row["event_key"])]
        if row["order_id"] is not None:
            name = f"{name}@{names.games[row['game_id']]}"
        names.add_coupon(str(row["id"]), row["code"], row["code_prefix"], name)
    return names


async def account_of(
    database: asyncpg.Connection,
    names: Names,
    answers: Mapping[str, str],
    declined: Mapping[str, str],
) -> Account:
    """All of it. `answers` are those to steps of staff, `declined` the reasons why nothing was given by hand.

    What is declined by hand leaves nothing behind, which the reason alone must do for the same as an event.
    """

    async def rows(query: str, argument: Any = names.partner_id) -> list[asyncpg.Record]:
        return list(await database.fetch(query, argument))

    return {
        "decisions": _decisions(await rows(_DECISIONS), names, declined),
        "declined by hand": dict(declined),
        "steps": dict(answers),
        "coupons": {row["id"]: row for row in _plain(await rows(_COUPONS), names)},
        "history": _grouped(_plain(await rows(_HISTORY), names), "coupon_id"),
        "messages": _messages(await rows(_MESSAGES), names, declined),
        "dead letters": {
            names.places[row["offset"]]: _without(row, "offset")
            for row in await rows(_LETTERS, f"doors-{names.partner_id}")
        },
        "cards": {
            f"{row['customer_id']} {row['game_id']}": row
            for row in _plain(await rows(_CARDS), names)
        },
        "stamps": {
            f"{row['order_id']} {row['game_id']}": row for row in _plain(await rows(_STAMPS), names)
        },
        "reversed orders": {
            f"{row['order_id']} {row['customer_id']}": row
            for row in _plain(await rows(_REVERSED), names)
        },
        "wallets": {row["customer_id"]: row for row in _plain(await rows(_WALLETS), names)},
        "ledger": _grouped(_plain(await rows(_LEDGER), names), "customer_id"),
        "lots": _grouped(_plain(await rows(_LOTS), names), "customer_id"),
        "uses": _grouped(_plain(await rows(_USES), names), "order_id"),
        "quota": {row["game_id"]: row for row in _plain(await rows(_QUOTA), names)},
    }


_DECISIONS = """
    SELECT event_key, event_source, event_type, decided_at, occurred_at, customer_id, game_id, order_id, won, outcome,
           reason, rule_version, coupon_id, blocking_coupon_id, codes, "offset" AS place
    FROM decisions JOIN customers c USING (customer_no) WHERE decisions.partner_id = $1 ORDER BY seq"""
_COUPONS = """
    SELECT id, event_key, game_id, customer_id, issued_at, expires_at, notice_at, reserved_until, reserved_shop_id,
           redeemed_at, redeemed_order_id, steps, rule_version, rule_validity_days, rule_allow_multiple,
           holds_single_place, status, code_prefix, code, expires_at - issued_at AS validity
    FROM coupons JOIN customers c USING (customer_no) WHERE coupons.partner_id = $1 ORDER BY issued_at, id"""
_HISTORY = """
    SELECT coupon_id, step, at, event_key, shop_id, order_id, word, was, status, actor, reason
    FROM coupon_history WHERE partner_id = $1 ORDER BY coupon_id, step"""
_MESSAGES = """
    SELECT topic, ce_type, ce_id, ce_time, subject, key, value
    FROM outbox WHERE (value::jsonb ->> 'partner_id')::bigint = $1 ORDER BY id"""
_LETTERS = """
    SELECT "offset", stage, exception, key, event_id, event_type, state, attempts,
           (SELECT count(*) FROM outbox WHERE dead_letter_id = dead_letters.id) AS queued
    FROM dead_letters WHERE topic = $1"""
_CARDS = """
    SELECT customer_id, game_id, card_no, stamps
    FROM stamp_cards JOIN customers c USING (customer_no) WHERE stamp_cards.partner_id = $1"""
_STAMPS = """
    SELECT order_id, game_id, customer_id, card_no, event_key, taken_back
    FROM order_stamps JOIN customers c USING (customer_no) WHERE order_stamps.partner_id = $1"""
_REVERSED = """
    SELECT order_id, customer_id, event_key
    FROM reversed_orders JOIN customers c USING (customer_no) WHERE reversed_orders.partner_id = $1"""
_WALLETS = """
    SELECT customer_id, entries, balance, owed, points_earned, score, spent, orders
    FROM wallets w JOIN customers c USING (customer_no) WHERE w.partner_id = $1"""
_LEDGER = """
    SELECT customer_id, number, event_key, at, kind, points, balance, owed, points_earned, score, spent, orders, takes,
           order_id, base_points, factor, l.expires_at,
           CASE source_kind WHEN 'redemption' THEN source_id::bigint END AS rule_id
    FROM ledger l JOIN customers c USING (customer_no) WHERE l.partner_id = $1 ORDER BY customer_no, number"""
_LOTS = """
    SELECT customer_id, number, earned_at, expires_at, amount, remaining, expired
    FROM lots l JOIN customers c USING (customer_no) WHERE l.partner_id = $1 ORDER BY customer_no, number"""
_USES = """
    SELECT customer_id, order_id, coupon_id, step, given_back
    FROM coupon_uses u JOIN customers c USING (customer_no) WHERE u.partner_id = $1 ORDER BY order_id, step"""
_QUOTA = """
    SELECT game_id, sum(remaining)::integer AS remaining
    FROM game_quota q JOIN games g ON g.id = q.game_id AND g.quota_epoch = q.epoch
    WHERE q.partner_id = $1 GROUP BY game_id"""


def _decisions(
    rows: Iterable[asyncpg.Record], names: Names, declined: Mapping[str, str]
) -> dict[str, Any]:
    decisions = {}
    for row in rows:
        place = names.places.get(row["place"])
        decision = names.plain(_without(row, "place", "event_source", "event_key"))
        event = names.events[str(row["event_key"])]
        if row["event_source"].startswith(PLAYED):
            decision["read from"] = place
        elif event in declined:
            continue
        else:
            # By hand: HTTP has its own type, no record, and the instant of the decision for the event's.
            del decision["event_type"], decision["occurred_at"]
        if row["codes"] is not None:
            decision["codes"] = _codes(json.loads(row["codes"]), names)
        decisions[event] = decision
    return decisions


def _codes(codes: Sequence[Any], names: Names) -> list[Any]:
    """An order names codes in its own order. A reversal goes by the coupons' ids, which are drawn: by name here."""
    plain: list[Any] = names.plain(codes)
    is_reversal = any(code["outcome"] in ("reinstated", "kept") for code in plain)
    return sorted(plain, key=lambda code: str(code["coupon_id"])) if is_reversal else plain


def _messages(
    rows: Iterable[asyncpg.Record], names: Names, declined: Mapping[str, str]
) -> dict[str, list[Any]]:
    """By customer, in the order in which they leave: no other order is promised."""
    messages = []
    for row in rows:
        message = {**_without(row, "value"), "value": json.loads(row["value"])}
        plain = names.plain(message)
        if plain["value"]["cause"] not in declined:
            messages.append(plain)
    grouped = _grouped(messages, "key")
    return {customer: _without_drawn_order(ours) for customer, ours in grouped.items()}


def _without_drawn_order(messages: Iterable[Any]) -> list[Any]:
    """One reversal gives coupons back by their ids, see `_codes`, and so does a sweep end them: by name here.

    Whatever stands between is where it was, and so are the steps of one coupon.
    """
    return [
        message
        for drawn, some in groupby(messages, key=_drawn_order)
        for message in (sorted(some, key=itemgetter("subject")) if drawn else some)
    ]


def _drawn_order(message: Any) -> str | None:
    """What has put a message among others by the ids of their coupons; None where something else did."""
    cause: str | None = message["value"]["cause"]
    if message["ce_type"] == "coupon.reinstated":
        return cause
    return "the sweeper" if cause is None and message["ce_type"] in (*_BY_TIME, EXPIRING) else None


def _plain(rows: Iterable[asyncpg.Record], names: Names) -> list[Any]:
    return [names.plain(dict(row)) for row in rows]


def _grouped(rows: Iterable[Any], by: str) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row[by], []).append(row)
    return grouped


def _without(row: asyncpg.Record | Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in left_out}


def whoever_notices(account: Account) -> Account:
    """Without what hangs on who comes upon an end first: who recorded it, and when among others it was told.

    Notices go too: nobody but the sweeper gives any, and it gives none that is overdue.
    """
    coupons = {name: _without(coupon, "notice_at") for name, coupon in account["coupons"].items()}
    history = {
        name: [
            _without(step, "actor", "event_key")
            if step["reason"] in (VALIDITY_OVER, RESERVATION_LAPSED)
            else step
            for step in steps
        ]
        for name, steps in account["history"].items()
    }
    told = [
        {**message, "value": _without(message["value"], "cause")}
        if message["ce_type"] in _BY_TIME
        else message
        for messages in account["messages"].values()
        for message in messages
        if message["ce_type"] != EXPIRING
    ]
    subjects = [{**one, "about": one["subject"] or one["ce_id"]} for one in told]
    messages = _grouped(subjects, "about")
    return {**account, "coupons": coupons, "history": history, "messages": messages}


def told(reports: Reports, names: Names) -> Account:
    """What reports say, decision by decision with every effect, and which records are dead."""
    verdicts = [verdict for report in reports for verdict in report.verdicts]
    for verdict in verdicts:
        for effect in verdict.decision.effects:
            if isinstance(effect, GrantCoupon):
                names.add_coupon(effect.coupon_id, effect.code, "", verdict.incoming.event.cause.id)
            if isinstance(effect, IssueCoupon):
                # A rehearsal draws ids and codes that nobody ever gets.
                event = verdict.incoming.event
                game = names.games[effect.game_id]
                name = event.cause.id
                if isinstance(event, OrderPlaced):
                    name = f"{name}@{game}"
                names.add_coupon(effect.coupon_id, effect.code, effect.code_prefix, name)
    return {
        "decisions": {
            verdict.incoming.event.cause.id: _told(verdict, names) for verdict in verdicts
        },
        "dead letters": {
            names.places[letter.position.offset]: letter.stage.value
            for report in reports
            for letter in report.letters
        },
    }


def _told(verdict: Verdict, names: Names) -> Any:
    effects = [
        {"effect": type(effect).__name__, **asdict(effect)} for effect in verdict.decision.effects
    ]
    # Of the customer afterwards each door knows as much as it has loaded.
    decision = asdict(replace(verdict.decision, after=None, effects=()))
    plain = names.plain({**decision, "effects": effects})
    return {**plain, "read from": names.places[verdict.incoming.position.offset]}
