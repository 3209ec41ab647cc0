"""Every topic of the service, once: what is on it, who writes it, how it is kept. Everybody reads this list.

Names are ours, without the prefix that `Settings.topic` puts before them. No I/O and no wire models here: relay and
commands need the names, not pydantic; `schemas.generate.MODELS` has the model of each schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.events import types

GAME_COMPLETED: Final = "game-completed"
ORDERS: Final = "orders"
CUSTOMERS: Final = "customers"
FOLLOW_UPS: Final = "follow-ups"
COUPON_ISSUED: Final = "coupon-issued"
COUPON_LIFECYCLE: Final = "coupon-lifecycle"
ISSUANCE_DECLINED: Final = "issuance-declined"
PROGRAM_EVENTS: Final = "program-events"
DEAD_LETTERS: Final = "dead-letters"
RELAY_PROGRESS: Final = "relay-progress"

RELAY: Final = "the relay"

FOLLOW_UPS_SOURCE: Final = f"/couponry/{FOLLOW_UPS}"
"""`ce_source` of what is on that topic. No setting says it: with the id it tells a repeat, for ever."""

HTTP_SOURCE: Final = "/couponry/http"
"""Where `ce_source` of what partners tell the API begins."""

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Of what we publish: a dead letter carries a whole incoming record (1 MiB) and more headers."""

_DAY_MS = 24 * 60 * 60 * 1000
# The broker's clock stamps what comes in: retention, order between topics and `--from` mean arrival, whatever a
# producer's clock says.
_AS_IT_COMES_IN = {"retention.ms": str(30 * _DAY_MS), "message.timestamp.type": "LogAppendTime"}
_AS_IT_GOES_OUT = {
    "retention.ms": str(30 * _DAY_MS),
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}


class Direction(StrEnum):
    """Who reads a topic, in the README's words."""

    INCOMING = "in"
    """The issuer, and nothing on it may vanish: `verify` accounts for every record, `status` for the lag."""
    OUTGOING = "out"
    """Others; the relay publishes it."""
    INTERNAL = "internal"
    """We alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One kind of record: its CloudEvents type, None if it is no event of ours, and its schema in `generated/`."""

    type: str | None
    schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What is to be known of a topic. `config` is what we have an opinion about; the rest is the broker's.

    `owner` writes it; `key` says in words what a record is keyed by. `partitions` is None where the setting decides.
    """

    name: str
    direction: Direction
    about: str
    owner: str
    key: str
    messages: tuple[Message, ...]
    config: Mapping[str, str]
    partitions: int | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The CloudEvents types that may be on it."""
        return tuple(message.type for message in self.messages if message.type is not None)


def _events(*names: str) -> tuple[Message, ...]:
    """Types that have a schema of their own name."""
    return tuple(Message(type=name, schema=name) for name in names)


ALL: tuple[Topic, ...] = (
    Topic(
        name=GAME_COMPLETED,
        direction=Direction.INCOMING,
        about="a customer finished a game",
        owner="the games' front ends",
        key="customer id",
        messages=_events(types.GAME_COMPLETED),
        config=_AS_IT_COMES_IN,
    ),
    Topic(
        name=ORDERS,
        direction=Direction.INCOMING,
        about="what a shop system tells of its orders",
        owner="the shop systems",
        key="customer id",
        messages=_events(types.ORDER_PLACED, types.ORDER_CANCELLED, types.ORDER_REFUNDED),
        config=_AS_IT_COMES_IN,
    ),
    Topic(
        name=CUSTOMERS,
        direction=Direction.INCOMING,
        about="who customers are, and what else they do",
        owner="the partners' customer systems",
        key="customer id",
        messages=_events(
            types.CUSTOMER_CREATED,
            types.CUSTOMER_UPDATED,
            types.CUSTOMER_EVENT,
            types.POINTS_REDEEM_REQUESTED,
            types.POINTS_UNDO_REQUESTED,
        ),
        config=_AS_IT_COMES_IN,
    ),
    Topic(
        name=FOLLOW_UPS,
        direction=Direction.INCOMING,
        about="what one customer's event brings another, and what the calendar does: from us to us",
        owner=RELAY,
        key="customer id",
        messages=_events(types.REFERRAL_COMPLETED, types.CUSTOMER_BIRTHDAY),
        config=_AS_IT_COMES_IN,
    ),
    Topic(
        name=COUPON_ISSUED,
        direction=Direction.OUTGOING,
        about="a coupon exists",
        owner=RELAY,
        key="customer id",
        messages=_events(types.COUPON_ISSUED),
        config=_AS_IT_GOES_OUT,
    ),
    Topic(
        name=COUPON_LIFECYCLE,
        direction=Direction.OUTGOING,
        about="what became of a coupon",
        owner=RELAY,
        key="customer id",
        messages=tuple(
            Message(type=name, schema="coupon.lifecycle") for name in types.COUPON_LIFECYCLE
        ),
        config=_AS_IT_GOES_OUT,
    ),
    Topic(
        name=ISSUANCE_DECLINED,
        direction=Direction.OUTGOING,
        about="a completion earned nothing, and why",
        owner=RELAY,
        key="customer id",
        messages=_events(types.ISSUANCE_DECLINED),
        config=_AS_IT_GOES_OUT,
    ),
    Topic(
        name=PROGRAM_EVENTS,
        direction=Direction.OUTGOING,
        about="what the program gave, took and will take",
        owner=RELAY,
        key="customer id; of what concerns none of them, partner id",
        messages=(
            *(Message(type=name, schema="points.entry") for name in types.POINTS),
            *_events(*types.OTHERS_OF_PROGRAM, types.WEBHOOK_DISABLED),
        ),
        config=_AS_IT_GOES_OUT,
    ),
    Topic(
        name=DEAD_LETTERS,
        direction=Direction.OUTGOING,
        about="records that could not be decided: the original, and headers that say why",
        owner=RELAY,
        key="the original record's key",
        messages=(Message(type=None, schema="dead-letter.headers"),),
        config=_AS_IT_GOES_OUT | {"retention.ms": str(90 * _DAY_MS)},
    ),
    Topic(
        name=RELAY_PROGRESS,
        direction=Direction.INTERNAL,
        about="what the relay published last",
        owner=RELAY,
        key="the database's UUID",
        messages=(),
        # Read whole by every relay that starts: small segments, so that compaction gets at them soon.
        config={
            "cleanup.policy": "compact",
            "segment.bytes": str(1024 * 1024),
            "min.cleanable.dirty.ratio": "0.1",
            # Else the markers of every transaction stay for a day: millions of them.
            "delete.retention.ms": "60000",
        },
        partitions=1,
    ),
)


def names(direction: Direction) -> tuple[str, ...]:
    """The topics of that direction, in the order of the list."""
    return tuple(topic.name for topic in ALL if topic.direction is direction)


def http_source(partner_id: int) -> str:
    """`ce_source` of what this partner tells the API: a source of its own, because the ids are."""
    return f"{HTTP_SOURCE}/{partner_id}"


def published() -> tuple[str, ...]:
    """Where the relay publishes what waits in the outbox: also what comes in, which partners may tell the API."""
    return tuple(topic.name for topic in ALL if topic.direction is not Direction.INTERNAL)


INCOMING: tuple[str, ...] = names(Direction.INCOMING)
OUTGOING: tuple[str, ...] = names(Direction.OUTGOING)
PUBLISHED: tuple[str, ...] = published()
