"""What was sent during the run and what has to come of it. Knows neither Kafka nor Postgres.

Every record that means something carries a tag of its own: a good event as its id, poison in the header `TAG`, a request
to the API in its customer's id. A repeat has the tag of what it repeats, and no account of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from services.adapters.event_keys import event_key
from services.stage.demo.records import TAG

__all__ = ["TAG", "Kind", "Ledger", "Place", "Sent"]

Kind = Literal["completion", "order", "poison", "by hand"]


class Place(NamedTuple):
    """Where a record stands. A topic that is made anew has every offset once more, hence the tag."""

    topic: str
    partition: int
    offset: int
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One thing that was asked of the system. `row`: the fault that was the newest one then."""

    tag: str
    kind: Kind
    row: int
    source: str

    @property
    def key(self) -> str:
        """Under which its decision is stored."""
        return event_key(self.source, self.tag)


@dataclass(slots=True)
class Ledger:
    """Everything by its tag. `row` is the fault that happens now; `open` has no visible outcome yet.

    `forgotten`: events that were decided by a database that is no more. What it told of them is out already, so of these
    only the decision shows that it was made again.
    """

    row: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    open: dict[str, Sent] = field(default_factory=dict)
    buried: dict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    answered: dict[str, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    records: int = 0
    repeats: int = 0

    def send(self, tag: str, kind: Kind, source: str) -> None:
        """Before it leaves, so that its outcome cannot come first."""
        one = Sent(tag=tag, kind=kind, row=self.row, source=source)
        self.sent[tag] = self.open[tag] = one

    def acknowledge(self, tag: str, place: Place) -> None:
        """Kafka has it. Sent again by a producer that heard nothing, poison stands in several places, each of its own."""
        if self.sent[tag].kind == "poison":
            self.buried[tag].add(place)

    def answer(self, tag: str, coupon_id: str) -> None:
        """The API has said that it issued this coupon."""
        self.answered[tag] = coupon_id
        self.see(tag)

    def see(self, tag: str) -> None:
        """Its outcome can be read."""
        self.open.pop(tag, None)

    def forget(self, tags: Iterable[str]) -> None:
        """What became of these events has to come once more."""
        for tag in tags:
            if self.sent[tag].kind in ("completion", "order"):
                self.open[tag] = self.sent[tag]
                self.forgotten.add(tag)

    def to_look_up(self) -> dict[str, str]:
        """Tags by the keys of their decisions: of orders, whose outcome is not always told, and of what was forgotten."""
        return {
            one.key: tag
            for tag, one in self.open.items()
            if one.kind == "order" or tag in self.forgotten
        }

    def of(self, *kinds: Kind) -> list[Sent]:
        """Everything of these kinds that was sent."""
        return [one for one in self.sent.values() if one.kind in kinds]

    def waits(self, tags: Collection[str]) -> set[str]:
        """Those that have no outcome yet."""
        return set(tags) & self.open.keys()
