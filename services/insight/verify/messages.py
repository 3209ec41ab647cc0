"""What we publish, as far as it can be held against the database: three kinds, each on a topic of its own.

A message is named by its `ce_id`: whose it is (a coupon, or the decision of an event), a number that tells it from the
others of that one, and a word. Both names and data are made in `decisions/verdicts` and `decisions/rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from aiokafka import ConsumerRecord

from schemas.events import types
from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE, ISSUANCE_DECLINED
from services.relay.packing import REPUBLISHED

Name = tuple[int, str]


class Message(NamedTuple):
    """A message that was published: `told_at` by Kafka's clock, `again` if an operator had it sent again."""

    id: UUID
    number: int
    word: str
    told_at: datetime
    place: str
    again: bool
    data: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A record of one of our types that is none of our messages. `about`: the coupon that it names, if any."""

    place: str
    why: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Messages of one topic.

    `read` gives the number and the word of what follows the id in a `ce_id`, ValueError if it cannot be. `fields` are
    compared, in the order in which the query `judged` takes them. `expected` collects, page by page (ends by `bound`),
    what must have been published.
    """

    topic: str
    types: frozenset[str]
    read: Callable[[str], Name]
    fields: tuple[str, ...]
    judged: str
    expected: str
    bound: str


def _issued(rest: str) -> Name:
    if rest != "issued":
        raise ValueError(rest)
    return 0, rest


def _step(rest: str) -> Name:
    number, word = rest.split(".")
    return int(number), word


def _declined(rest: str) -> Name:
    word, number = rest.split(".")
    if word != "declined":
        raise ValueError(rest)
    return int(number), word


_OWNER = ("partner_id", "game_id", "customer_id")
_CAUSE = ("cause.source", "cause.id", "cause.type")
KINDS = (
    Kind(
        topic=COUPON_ISSUED,
        types=frozenset({types.COUPON_ISSUED}),
        read=_issued,
        fields=("coupon_id", "code", *_OWNER, "issued_at", "expires_at", *_CAUSE),
        judged="issues_told",
        expected="expect_issues",
        bound="end_of_coupons",
    ),
    Kind(
        topic=COUPON_LIFECYCLE,
        types=frozenset(types.COUPON_LIFECYCLE),
        read=_step,
        fields=("coupon_id", "code", *_OWNER, "status", "at", "order_id", "shop_id", *_CAUSE),
        judged="steps_told",
        expected="expect_steps",
        bound="end_of_history",
    ),
    Kind(
        topic=ISSUANCE_DECLINED,
        types=frozenset({types.ISSUANCE_DECLINED}),
        read=_declined,
        fields=(*_OWNER, "reason", "blocking_coupon_id", "decided_at", *_CAUSE),
        judged="declines_told",
        expected="expect_declines",
        bound="end_of_decisions",
    ),
)


def read_message(record: ConsumerRecord, kind: Kind) -> Message | Foreign | None:
    """None for a record that does not say that it is of this kind."""
    headers = dict(record.headers)
    type_ = (headers.get("ce_type") or b"").decode(errors="replace")
    if type_ not in kind.types:
        return None
    place = f"{record.topic}:{record.partition}:{record.offset}"
    name = (headers.get("ce_id") or b"").decode(errors="replace")
    try:
        data = orjson.loads(record.value or b"")
        if not isinstance(data, dict):
            raise ValueError("no object")
    except ValueError:
        return Foreign(place=place, why=f"{type_} whose data cannot be read", about=name[:36])
    try:
        id_, (number, word) = UUID(name[:36]), kind.read(name[37:])
        if name != f"{id_}.{name[37:]}" or not type_.endswith(f".{word}") or number >= 2**63:
            raise ValueError(name)
    except ValueError:
        about = str(data.get("coupon_id"))
        why = f"{type_} of coupon {about} with the ce_id {name!r}, which is none of ours"
        return Foreign(place=place, why=why, about=about)
    return Message(
        id_,
        number,
        word,
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        place,
        REPUBLISHED[0] in headers,
        tuple(_text(data, field) for field in kind.fields),
    )


def _text(data: Mapping[str, Any], field: str) -> str | None:
    """A field as text that Postgres can take; of an object within, by path."""
    outer, _, inner = field.partition(".")
    value = data.get(outer)
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value.replace("\0", "") if value else value
    return orjson.dumps(value).decode()
