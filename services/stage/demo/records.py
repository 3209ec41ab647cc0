"""Records as a partner's game service would put them on the topic, and the ways in which it gets them wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

SOURCE: Final = "/demo/games"
TAG: Final = "demo_record"
"""A header of the producer's own, as a trace id would be: it tells a record even where its event cannot be read."""
_ELSEWHERE: Final = timezone(timedelta(hours=-5))


class Fate(NamedTuple):
    """What becomes of a record. `detail`: the reason of a declined one, the stage of a dead one."""

    outcome: str
    detail: str = ""


ISSUED: Final = Fate("issued")
REPEAT: Final = Fate("repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What goes to the topic, and what must become of it. A repeat has the tag of the record it repeats."""

    tag: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    fate: Fate


@dataclass(slots=True, kw_only=True)
class Draft:
    """A CloudEvent before it is written down, and can still be spoiled. `event` has the attributes and `data`."""

    tag: str
    event: dict[str, Any]
    structured: bool = False
    write: Callable[[Any], bytes | None] = lambda document: json.dumps(document).encode()

    def record(self, customer: str, fate: Fate) -> Record:
        """The event in the mode of the draft, keyed by the customer."""
        if self.structured:
            value = self.write(self.event)
            headers = [("content-type", b"application/cloudevents+json")]
        else:
            value = self.write(self.event["data"])
            headers = [
                (f"ce_{name}", text.encode()) for name, text in self.event.items() if name != "data"
            ]
            headers.append(("content-type", b"application/json"))
        return Record(
            tag=self.tag,
            key=customer.encode(),
            value=value,
            headers=[*headers, (TAG, self.tag.encode())],
            fate=fate,
        )


def draft(
    tag: str, at: datetime, *, partner_id: int, game_id: int, customer: str, won: bool
) -> Draft:
    """A good completion at that instant; the tag is its id."""
    data = {
        "partner_id": partner_id,
        "game_id": game_id,
        "customer_id": customer,
        "session_id": f"session-{tag[-6:]}",
        "result": "won" if won else "lost",
    }
    event = {
        "specversion": "1.0",
        "id": tag,
        "source": SOURCE,
        "type": "game.completed",
        "time": at.isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return Draft(tag=tag, event=event)


def in_structured_mode(one: Draft) -> None:
    """The same event from another producer, in another zone: it is the same instant."""
    one.structured = True
    one.event["time"] = datetime.fromisoformat(one.event["time"]).astimezone(_ELSEWHERE).isoformat()


def _put(field: str, value: Any) -> Callable[[Draft], None]:
    def spoil(one: Draft) -> None:
        holder = one.event if field in one.event else one.event["data"]
        holder[field] = value

    return spoil


def _without(field: str, *, structured: bool = False) -> Callable[[Draft], None]:
    def spoil(one: Draft) -> None:
        one.structured = structured
        holder = one.event if field in one.event else one.event["data"]
        del holder[field]

    return spoil


def _truncated(one: Draft) -> None:
    in_structured_mode(one)
    one.write = lambda document: json.dumps(document).encode()[:-20]


def _tombstone(one: Draft) -> None:
    one.write = lambda _: None


def _not_json(one: Draft) -> None:
    one.write = lambda _: b"{customer: 'customer-1'"


def _from_the_future(one: Draft) -> None:
    one.event["time"] = (datetime.now(UTC) + timedelta(days=365)).isoformat()


WAYS_TO_SPOIL: Final[Sequence[tuple[str, Callable[[Draft], None]]]] = (
    ("decode", _not_json),
    ("header", _without("id")),
    ("schema", _put("game_id", "1")),
    ("time", _from_the_future),
    ("header", _put("time", "2026-05-01 09:30")),  # no zone: which instant is that?
    ("decode", _truncated),
    ("schema", _without("customer_id")),
    ("header", _put("type", "game.started")),
    ("schema", _put("result", "draw")),
    ("header", _without("source", structured=True)),
    ("header", _put("specversion", "0.3")),
    ("decode", _tombstone),
)
"""The stage at which the service has to give up a record, and what is done to a good one."""
