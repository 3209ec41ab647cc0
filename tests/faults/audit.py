"""The reckoning: what was sent, beside what is stored and what is out. `judge` is pure; `stored` asks the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from services.adapters.postgres.dead_letters import topic_name
from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.faults.ledger import TAG, Ledger, Place, Sent
from tests.faults.readers import Message, letter_name
from tests.simulation.invariants import CHECKS

_QUERIES = {
    "decisions": "SELECT event_key::text FROM decisions",
    "coupons": "SELECT d.event_key::text FROM coupons c JOIN decisions d USING (event_key) WHERE d.event_type = 'game.completed' AND c.game_id IS NOT NULL",
    "by_hand": "SELECT customer_id FROM coupons JOIN customers USING (customer_no) WHERE customer_id LIKE 'by-hand-%'",
    "due": """
        SELECT 'coupon-issued ' || id || '.issued' FROM coupons
        UNION ALL SELECT 'coupon-lifecycle ' || id || '.delivered' FROM coupons WHERE code_from = 'webhook'
        UNION ALL SELECT 'coupon-lifecycle ' || coupon_id || '.' || step || '.' || word FROM coupon_history
        UNION ALL SELECT 'issuance-declined ' || event_key || '.declined.' || game_id
            FROM decisions WHERE outcome = 'declined'""",
}
_LETTERS = 'SELECT topic, partition, "offset", header_names, header_values FROM dead_letters'
_ENDED_EARLY = "SELECT id::text FROM coupons WHERE status = 'expired'"
"""No coupon of the run is as old as that."""
_RULES = [name for name in CHECKS if name.startswith(("I1 ", "I2 ", "I5 ", "a card"))]
"""Of the simulation's invariants those that hold also when a relay has emptied the outbox."""
_TIME = next(name for name in CHECKS if name.startswith("a customer's time"))
_MENDED = "SELECT EXISTS (SELECT FROM operations WHERE command = 'repair-clock')"
"""Then customers have been given back their time, which runs backwards there and nowhere else."""

What = Literal["lost", "doubled", "twice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Every row that counts, each as often as it is there. `due`: names of the messages that follow from them."""

    decisions: Counter[str]
    coupons: Counter[str]
    by_hand: Counter[str]
    due: Counter[str]
    letters: Counter[Place]
    violations: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be; `row` is the fault that it is charged to. `allowed`: but may be."""

    row: int
    what: What
    text: str
    allowed: bool = False


async def stored(settings: Settings) -> Stored:
    """As the database has it now."""
    connection = await connect(settings, "faults", role=None, statement_timeout="0")
    try:
        found = {
            name: Counter([row[0] for row in await connection.fetch(query)])
            for name, query in _QUERIES.items()
        }
        letters: Counter[Place] = Counter()
        for row in await connection.fetch(_LETTERS):
            headers = dict(zip(row["header_names"], row["header_values"], strict=True))
            tag = (headers.get(TAG) or b"").decode()
            letters[Place(topic_name(row["topic"]), row["partition"], row["offset"], tag)] += 1
        early = await connection.fetch(_ENDED_EARLY)
        violations = [f"ended before its time: {row[0]}" for row in early]
        mended = await connection.fetchval(_MENDED)
        for name in _RULES if mended else (*_RULES, _TIME):
            violations += [f"{name}: {row[0]}" for row in await connection.fetch(CHECKS[name])]
        return Stored(**found, letters=letters, violations=violations)
    finally:
        await connection.close()


def judge(
    ledger: Ledger,
    stored: Stored,
    out: Sequence[Message],
    starts_ms: Sequence[int],
    may_repeat: Collection[int],
) -> list[Finding]:
    """Everything that is lost, doubled or out twice. `starts_ms`: when each row's fault began, the first is row 1.

    `may_repeat`: rows whose fault may bring out a message twice, but not three times.
    """
    return [
        *_lost(ledger, stored, out),
        *_doubled(ledger, stored, out),
        *_twice(out, starts_ms, may_repeat),
    ]


def _lost(ledger: Ledger, stored: Stored, out: Sequence[Message]) -> Iterator[Finding]:
    def lost(one: Sent | None, text: str) -> Finding:
        return Finding(row=one.row if one else ledger.row, what="lost", text=text)

    for one in ledger.of("completion", "order"):
        if not stored.decisions[one.key]:
            yield lost(one, f"{one.kind} {one.tag} has no decision")
    for tag, places in ledger.buried.items():
        for place in places:
            if not stored.letters[place]:
                yield lost(ledger.sent[tag], f"poison at {place} has no letter")
    for tag in ledger.answered:
        if not stored.by_hand[tag]:
            yield lost(ledger.sent[tag], f"{tag} was answered and has no coupon")
    told = {message.name for message in out}
    by_key = {one.key: one for one in ledger.of("completion", "order")}
    for name in stored.due.keys() - told:
        key = name.split()[1].split(".")[0]
        yield lost(by_key.get(key), f"{name} was never published")
    for place in stored.letters:
        if letter_name(place) not in told:
            yield lost(ledger.sent.get(place.tag), f"{letter_name(place)} was never published")


def _doubled(ledger: Ledger, stored: Stored, out: Sequence[Message]) -> Iterator[Finding]:
    def doubled(one: Sent | None, text: str) -> Finding:
        return Finding(row=one.row if one else ledger.row, what="doubled", text=text)

    by_key = {one.key: one for one in ledger.of("completion", "order")}
    for what, counts in (("decisions", stored.decisions), ("coupons", stored.coupons)):
        for key, times in counts.items():
            if times > 1:
                one = by_key.get(key)
                yield doubled(one, f"{one.tag if one else key} has {times} {what}")
    for tag, times in stored.by_hand.items():
        if times > 1:
            yield doubled(ledger.sent.get(tag), f"{tag} has {times} coupons")
    for place, times in stored.letters.items():
        if times > 1:
            yield doubled(ledger.sent.get(place.tag), f"{place} has {times} letters")
    known = stored.due.keys() | {letter_name(place) for place in stored.letters}
    for message in out:
        # An order that is declined by several games tells so of each; its own row says nothing of that.
        is_of_decided = message.name.split()[1].split(".")[0] in stored.decisions
        if message.name not in known and not is_of_decided:
            yield doubled(
                ledger.sent.get(message.tag),
                f"{message.name} of {message.tag} is out and nobody decided it",
            )
    for text in stored.violations:
        yield doubled(None, text)


def _twice(
    out: Sequence[Message], starts_ms: Sequence[int], may_repeat: Collection[int]
) -> Iterator[Finding]:
    seen: dict[str, list[int]] = defaultdict(list)
    for message in out:
        seen[message.name].append(message.at_ms)
    for name, instants in seen.items():
        if len(instants) > 1:
            row = sum(start <= max(instants) for start in starts_ms)
            allowed = row in may_repeat and len(instants) == 2
            text = f"{name} is out {len(instants)} times"
            yield Finding(row=row, what="twice", text=text, allowed=allowed)
