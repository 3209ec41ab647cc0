"""What happened with an event, in order of time: as far as it is stored, and nothing that is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import asyncpg
import orjson

from schemas.topics import (
    COUPON_ISSUED,
    COUPON_LIFECYCLE,
    DEAD_LETTERS,
    ISSUANCE_DECLINED,
    PROGRAM_EVENTS,
)
from services.adapters.postgres.dead_letters import position_of
from services.domain.coupons.codes import ending
from services.domain.coupons.coupon import OPEN_STATUSES
from services.insight.explain import deliveries, program
from services.insight.explain.entry import Entry, published, waits
from services.insight.explain.gathered import Gathered
from services.insight.explain.known import Known
from services.insight.explain.records import Arrival
from services.insight.explain.wording import (
    coupon_in_words,
    event_in_words,
    game_in_words,
    reason_in_words,
    rule_in_words,
    terms_in_words,
)
from services.terminal.output import instant_text

Row = asyncpg.Record


def timeline(known: Known, gathered: Gathered) -> list[Entry]:
    """Everything of one event, oldest first; of one instant in the order in which it follows from each other."""
    entries = [*_letters(known, gathered)]
    if known.decision is not None:
        entries += _Story(known.decision, gathered).entries()
    return sorted(entries, key=lambda entry: entry.after)


def merged(stories: Sequence[tuple[str, Sequence[Entry]]]) -> list[tuple[str, Entry]]:
    """Several of one customer in one, each entry with its event: what two events know of is told by the first."""
    every: dict[tuple[int | None, Entry], tuple[str, Entry]] = {}
    for number, (event_id, story) in enumerate(stories):
        for entry in story:
            every.setdefault((None if entry.is_shared else number, entry), (event_id, entry))
    return sorted(every.values(), key=lambda told: told[1].after)


class _Story:
    """The entries of one decision."""

    def __init__(self, decision: Row, gathered: Gathered) -> None:
        self._decision = decision
        self._gathered = gathered
        self._at: datetime = decision["decided_at"]

    def entries(self) -> Iterator[Entry]:
        yield from self._came_in()
        yield from self._decided()
        if (
            blocking := self._gathered.coupons.get(self._decision["blocking_coupon_id"])
        ) is not None:
            yield Entry(
                at=self._at, what="blocked", detail=self._blocked_by(blocking), after=self._at
            )
        yield from self._program()
        if self._decision["outcome"] == "declined" and self._decision["game_id"] is not None:
            ce_id = f"{self._decision['event_key']}.declined.{self._decision['game_id']}"
            yield from published(
                self._gathered, ce_id, "issuance.declined", ISSUANCE_DECLINED, self._at
            )
        issued = self._gathered.coupons_of_event.get(self._decision["event_key"], [])
        for coupon in issued:
            yield from self._issued(coupon)
        own = {coupon["id"] for coupon in issued}
        for step in self._gathered.steps_of_event.get(self._decision["event_key"], []):
            if step["coupon_id"] not in own:
                yield from self._step(step)

    def _came_in(self) -> Iterator[Entry]:
        row, party = self._decision, self._gathered.parties.get(self._decision["customer_no"])
        whose = f" of customer {party['customer_id']} of {party['partner']}" if party else ""
        position = position_of(row)
        arrival = self._gathered.arrived.get(position)
        what = self._what(arrival)
        # What is compared with the game's dates; a clock that ran ahead must not put it behind its decision.
        yield Entry(
            at=row["occurred_at"],
            what="happened",
            detail=f"{row['event_type']} “{row['event_id']}” of {row['event_source']}{whose}{what}",
            after=min(row["occurred_at"], self._at),
        )
        if row["topic"] != row["event_source"]:  # by hand nothing was read from a topic
            arrived_at = arrival.at if arrival is not None else None
            yield Entry(
                at=arrived_at,
                what="arrived",
                detail=f"as {row['topic']}:{row['partition']}:{row['offset']}",
                after=min(arrived_at or self._at, self._at),
            )

    def _decided(self) -> Iterator[Entry]:
        row = self._decision
        said = f": {reason_in_words(row['reason'])}" if row["reason"] else ""
        rules = self._gathered.rules.get((row["game_id"], row["rule_version"]))
        by = ""
        if rules:
            by = f"; by version {row['rule_version']} of the rules: {rule_in_words(rules)}"
        if row["program_version"] is not None:
            by += f"; by version {row['program_version']} of the program"
        yield Entry(
            at=self._at, what="decided", detail=f"{row['outcome']}{said}{by}", after=self._at
        )
        for stamp in self._gathered.stamps_of_event.get(row["event_key"], []):
            back = ", taken back since" if stamp["taken_back"] else ""
            detail = f"a stamp on card {stamp['card_no']} of game {stamp['game_id']}{back}"
            yield Entry(at=self._at, what="stamped", detail=detail, after=self._at)
        for code in orjson.loads(row["codes"] or "[]"):
            why = f": {code['reason']}" if code["reason"] else ""
            detail = f"code …{ending(code['code'])} {code['outcome']}{why}"
            yield Entry(at=self._at, what="code", detail=detail, after=self._at)

    def _program(self) -> Iterator[Entry]:
        """What the program did, and that subscribers hear of it."""
        row, gathered = self._decision, self._gathered
        entries = gathered.entries_of_event.get(row["event_key"], ())
        names = gathered.campaigns.get((row["partner_id"], row["program_version"]), {})
        for what, detail in program.lines(row, entries, names):
            yield Entry(at=self._at, what=what, detail=detail, after=self._at)
        waiting = gathered.told.get(str(row["event_key"]), ())
        for told in waiting:
            yield waits(told, told["ce_type"], told["topic"], self._at)
        if not waiting and (types := ", ".join(program.told(row, entries))):
            detail = f"{types} in {PROGRAM_EVENTS}"
            yield Entry(at=None, what="published", detail=detail, after=self._at)

    def _what(self, arrival: Arrival | None) -> str:
        """What happened, as far as the decision or the record itself says."""
        row = self._decision
        if row["order_id"] is not None:
            return f": order {row['order_id']}"
        if row["game_id"] is not None:
            return f": {self._game(row['rule_version'])}"
        said = event_in_words(arrival.event) if arrival is not None else ""
        return f": {said}" if said else ""

    def _game(self, version: int | None) -> str:
        game_id = self._decision["game_id"]
        won = "" if self._decision["won"] is None else " won" if self._decision["won"] else " lost"
        return game_in_words(game_id, self._gathered.rules.get((game_id, version or 0))) + won

    def _blocked_by(self, coupon: Row) -> str:
        """Which coupon stood in the way, as it was then, and until when it does."""
        steps = self._gathered.steps_of_coupon.get(coupon["id"], [])
        status = next((s["status"] for s in reversed(steps) if s["at"] <= self._at), "active")
        ended = next(
            (s for s in steps if s["at"] > self._at and s["status"] not in OPEN_STATUSES), None
        )
        if ended is not None:
            until = f"it did so until it was {ended['word']} at {instant_text(ended['at'])}"
        elif coupon["expires_at"] is None:
            until = "it does so until it is used or cancelled"
        else:
            until = f"it does so until it is used or cancelled, or else {instant_text(coupon['expires_at'])}"
        issued_at = instant_text(coupon["issued_at"])
        return f"by {coupon_in_words(coupon)} ({coupon['id']}), issued {issued_at}, {status} then; {until}"

    def _issued(self, coupon: Row) -> Iterator[Entry]:
        rules = self._gathered.rules.get((coupon["game_id"], coupon["rule_version"]))
        reward = f": {rules['reward_description']}" if rules else ""
        if coupon["terms"] is not None:
            by_program = f"by {coupon['source_kind']} {coupon['source_id']}"
            reward = f": {terms_in_words(orjson.loads(coupon['terms']))}, {by_program}"
        ends = coupon["expires_at"]
        valid = "valid without end" if ends is None else f"valid until {instant_text(ends)}"
        hand = self._gathered.by_hand.get(str(coupon["id"]))
        by = f"; by hand, {hand['actor']}: {hand['reason']}" if hand else ""
        yield Entry(
            at=coupon["issued_at"],
            what="issued",
            detail=f"{coupon_in_words(coupon)} ({coupon['id']}){reward}, {valid}{by}",
            after=coupon["issued_at"],
        )
        ce_id = f"{coupon['id']}.issued"
        yield from published(
            self._gathered,
            ce_id,
            f"coupon.issued of {coupon_in_words(coupon)}",
            COUPON_ISSUED,
            coupon["issued_at"],
        )
        for step in self._gathered.steps_of_coupon.get(coupon["id"], []):
            yield from self._step(step)
        yield from deliveries.entries(self._gathered, coupon)
        if coupon["status"] in OPEN_STATUSES and ends is not None:
            detail = f"{coupon_in_words(coupon)} ends, unless it is used or cancelled before"
            yield Entry(at=ends, what="ends", detail=detail, after=ends)

    def _step(self, step: Row) -> Iterator[Entry]:
        coupon = self._gathered.coupons[step["coupon_id"]]
        parts = [f"by {step['actor']}"]
        parts += [f"order {step['order_id']}"] if step["order_id"] else []
        parts += [f"shop {step['shop_id']}"] if step["shop_id"] else []
        parts += [step["reason"]] if step["reason"] else []
        name = coupon_in_words(coupon)
        yield Entry(
            at=step["at"],
            what=step["word"],
            detail=f"{name} {', '.join(parts)}",
            after=step["at"],
            is_shared=True,
        )
        ce_id = f"{step['coupon_id']}.{step['step']}.{step['word']}"
        told = f"coupon.{step['word']} of {name}"
        for entry in published(self._gathered, ce_id, told, COUPON_LIFECYCLE, step["at"]):
            yield replace(entry, is_shared=True)


def _letters(known: Known, gathered: Gathered) -> Iterator[Entry]:
    for letter in known.letters:
        at, position = (
            letter["created_at"],
            f"{letter['topic']}:{letter['partition']}:{letter['offset']}",
        )
        arrived_at = letter["record_time"]
        yield Entry(
            at=arrived_at, what="arrived", detail=f"as {position}", after=min(arrived_at, at)
        )
        detail = f"letter {letter['id']} of {position}: {letter['stage']}: {letter['message']}"
        yield Entry(at=at, what="dead letter", detail=detail, after=at)
        yield from published(gathered, letter["id"], "the dead letter", DEAD_LETTERS, at)
        for action in gathered.handled.get(letter["id"], []):
            why = f": {action['reason']}" if action["reason"] else ""
            came = {"dead": "it died again", "decided": "the event was decided"}.get(
                action["outcome"], action["outcome"].replace("_", " ")
            )
            yield Entry(
                at=action["at"],
                what=action["command"],
                detail=f"letter {letter['id']}: {came} (operation {action['operation']} by {action['actor']}{why})",
                after=max(action["at"], at),
            )
