"""What we publish, as far as it can be held against the database: its kinds, each read by itself.

A message is named by its `ce_id`: whose it is (a coupon, or the decision of an event), a number that tells it from the
others of that one, and a word. Both names and data are made in `decisions/verdicts`, `decisions/rows` and
`decisions/telling`. A birthday is its customer's, whose number stands for the id, as a partner's does for its webhook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from aiokafka import ConsumerRecord

from schemas.events import types
from schemas.fields import MAX_ID
from schemas.topics import (
    COUPON_ISSUED,
    COUPON_LIFECYCLE,
    FOLLOW_UPS,
    ISSUANCE_DECLINED,
    PROGRAM_EVENTS,
)
from services.insight.verify import message_names
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.relay.packing import REPUBLISHED

BEFORE_CUSTOMERS: Final = -1
WEBHOOK: Final = "webhook"


class Message(NamedTuple):
    """A message that was published: `told_at` by Kafka's clock, `again` if an operator had it sent again."""

    id: UUID
    number: int
    word: str
    told_at: datetime
    place: str
    again: bool
    data: tuple[str | None, ...]
    said: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A record of one of our types that is none of our messages. `about`: the coupon that it names, if any."""

    place: str
    why: str
    about: str


class Expected(NamedTuple):
    """What must have been published: collected page by page, whose ends `bound` finds, from `first` to `last`."""

    query: str
    bound: str
    first: UUID | int = LOWEST
    last: UUID | int = HIGHEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Messages of one topic, or of some types on it.

    `read` gives number (below 0 of what is not expected) and word of what follows the id in a `ce_id`, ValueError if it
    cannot be. `fields` are compared, in the order in which the query `judged` takes them. `called`: what one is, where
    the topic alone does not say it. `owner` takes the id off a `ce_id`.

    `said`: what is kept of each until the entry it tells of passes; time's are among them. `is_open`: others write to
    the topic too, and what is not ours there is a dead letter or a repeat, which I4 sees.
    """

    topic: str
    types: frozenset[str]
    read: Callable[[str], message_names.Name]
    fields: tuple[str, ...]
    judged: str
    expected: tuple[Expected, ...]
    called: str = ""
    owner: Callable[[str], tuple[UUID, str]] = message_names.of_uuid
    said: tuple[str, ...] = ()
    is_open: bool = False


_CODES = ("coupon_id", "code", "internal_code", "code_status")
_OWNER = ("partner_id", "game_id", "customer_id")
_TERMS = ("source.kind", "source.id", "program_version", "terms")
_CAUSE = ("cause.source", "cause.id", "cause.type")
_OF_DECISIONS = ("partner_id", "customer_id", "program_version", "at", *_CAUSE)
KINDS = (
    Kind(
        topic=COUPON_ISSUED,
        types=frozenset({types.COUPON_ISSUED}),
        read=message_names.issued,
        fields=(*_CODES, *_OWNER, "issued_at", "expires_at", *_TERMS, *_CAUSE),
        judged="issues_told",
        expected=(Expected("expect_issues", "end_of_coupons"),),
    ),
    Kind(
        topic=COUPON_LIFECYCLE,
        types=frozenset(types.COUPON_LIFECYCLE),
        read=message_names.step,
        fields=(
            *_CODES,
            "external_code",
            *_OWNER,
            "status",
            "at",
            "order_id",
            "shop_id",
            "reason",
            *_TERMS,
            *_CAUSE,
        ),
        judged="steps_told",
        expected=(
            Expected("expect_steps", "end_of_history"),
            Expected("expect_deliveries", "end_of_deliveries"),
        ),
    ),
    Kind(
        topic=ISSUANCE_DECLINED,
        types=frozenset({types.ISSUANCE_DECLINED}),
        read=message_names.declined,
        fields=(*_OWNER, "reason", "blocking_coupon_id", "decided_at", *_CAUSE),
        judged="declines_told",
        expected=(Expected("expect_declines", "end_of_decisions"),),
    ),
    Kind(
        topic=PROGRAM_EVENTS,
        types=frozenset(types.POINTS),
        read=message_names.entry,
        fields=_OF_DECISIONS,
        judged="program_told",
        expected=(Expected("expect_entries", "end_of_entries", BEFORE_CUSTOMERS, MAX_ID),),
        called="points of entry",
        said=(
            "at",
            "points",
            "balance",
            "source.kind",
            "source.id",
            "expires_at",
            "order_id",
            "base_points",
            "factor",
        ),
    ),
    Kind(
        topic=PROGRAM_EVENTS,
        types=frozenset(types.OTHERS_OF_PROGRAM),
        read=message_names.of_program,
        fields=_OF_DECISIONS,
        judged="program_told",
        expected=(
            Expected("expect_of_program", "end_of_decisions"),
            Expected("expect_of_ledger", "end_of_entries", BEFORE_CUSTOMERS, MAX_ID),
        ),
        called="event of the program",
    ),
    Kind(
        topic=PROGRAM_EVENTS,
        types=frozenset({types.WEBHOOK_DISABLED}),
        read=message_names.switched_off,
        fields=("partner_id", "at", "reason"),
        judged="switched_off_told",
        expected=(Expected("expect_switched_off", "end_of_partners", BEFORE_CUSTOMERS, MAX_ID),),
        called=WEBHOOK,
        owner=message_names.of_partner,
    ),
    Kind(
        topic=FOLLOW_UPS,
        types=frozenset({types.REFERRAL_COMPLETED, types.CUSTOMER_BIRTHDAY}),
        read=message_names.follow_up,
        fields=("partner_id", "customer_id", "friend_id", "year"),
        judged="not_ours",
        expected=(Expected("expect_follow_ups", "end_of_profiles", BEFORE_CUSTOMERS, MAX_ID),),
        called="follow-up",
        owner=message_names.of_whom,
        is_open=True,
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
        id_, rest = kind.owner(name)
        number, word = kind.read(rest)
        if not type_.endswith(f".{word}") or not -MAX_ID <= number <= MAX_ID:
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
        "|".join([word, *(_text(data, field) or "" for field in kind.said)]) if kind.said else None,
    )


def _text(data: Mapping[str, Any], field: str) -> str | None:
    """A field as text that Postgres can take; of an object within, by path."""
    outer, _, inner = field.partition(".")
    value = data.get(outer)
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    if field == "terms":
        # Read as JSON there, which knows no NUL.
        return (
            orjson.dumps(value).decode().replace("\\u0000", "") if isinstance(value, dict) else None
        )
    if value is None or isinstance(value, str):
        return value.replace("\0", "") if value else value
    return orjson.dumps(value).decode()
