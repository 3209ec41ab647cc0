"""What a batch is made of while it is worked on: parts that are tried in one transaction, and what became of all."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka import ConsumerRecord

from schemas.topics import FOLLOW_UPS
from services.adapters.postgres.passed_over import NobodysRecord
from services.adapters.postgres.waiting import Aside
from services.domain.arrival import Incoming, Verdict, in_deciding_order
from services.domain.decide import MAX_PRODUCER_SKEW
from services.domain.events import Position
from services.domain.folding import RuleFailed
from services.domain.letters import DeadLetter, Stage
from services.domain.unjudged import Unjudgeable
from services.issuer.aside import is_of_the_record, set_aside, why_of
from services.issuer.codec import NOTHING_IGNORED, read_record
from services.issuer.letters import letter_for, letter_from_poison
from services.issuer.unreadable import Poison

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a batch."""

    read: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    new_letters: list[DeadLetter] = field(default_factory=list)
    """Those of the letters whose records have not come before."""
    passed_over: int = 0
    """Records that concern nobody."""
    waiting: list[Position] = field(default_factory=list)
    """Records that wait, through no fault of their own."""

    @property
    def already_decided(self) -> int:
        return (
            self.read
            - len(self.verdicts)
            - len(self.letters)
            - self.passed_over
            - len(self.waiting)
        )


@dataclass(slots=True, kw_only=True)
class Batch:
    """What the parts of one batch share.

    `held`: the places of its records in the queue of those that wait, None if they come from a topic. `last` is a
    statement that commits with its last part, `other` one that does with every other. `hurried`: somebody holds a lock
    for too long.
    """

    records: Sequence[ConsumerRecord]
    report: Report
    held: Mapping[Position, int] | None = None
    other: str = ""
    last: str = ""
    hurried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is tried in one transaction: events in deciding order, records that have been given up, and that wait."""

    arrivals: Sequence[Incoming] = ()
    letters: Sequence[DeadLetter] = ()
    asides: Sequence[Aside] = ()

    def __bool__(self) -> bool:
        return bool(self.arrivals or self.letters or self.asides)

    def divided(self, records: Sequence[ConsumerRecord], error: Exception) -> Sequence[Part]:
        """Smaller parts; of a single event the dead letter, or that it waits. Raises `error` for what cannot be kept.

        That would be a bug: stop rather than lose it.
        """
        arrivals, letters, asides = self.arrivals, self.letters, self.asides
        if isinstance(error, Unjudgeable):
            going, concerned = set_aside(records, arrivals, error.of)
            if concerned:
                return (Part(arrivals=going, letters=letters, asides=[*asides, *concerned]),)
        if bool(arrivals) + bool(letters) + bool(asides) > 1:
            return Part(letters=letters), Part(asides=asides), Part(arrivals=arrivals)
        if len(arrivals) > 1:
            return tuple(Part(arrivals=half) for half in _halves(arrivals))
        if len(letters) > 1:
            return tuple(Part(letters=half) for half in _halves(letters))
        if len(asides) > 1:
            return tuple(Part(asides=half) for half in _halves(asides))
        if not arrivals:
            raise error
        if not is_of_the_record(error):
            return (Part(asides=set_aside(records, arrivals, lambda _: why_of(error))[1]),)
        stage = Stage.DECIDE if isinstance(error, RuleFailed) else Stage.STORE
        return (Part(letters=[letter_for(records, arrivals[0], stage, error)]),)


def read(
    records: Sequence[ConsumerRecord],
    ignored: Container[str] = NOTHING_IGNORED,
    failed: Callable[[ConsumerRecord, Exception], None] | None = None,
) -> tuple[list[Incoming], list[DeadLetter], list[NobodysRecord]]:
    """Events in deciding order, the records that cannot be read, and those that concern nobody.

    `failed` is told of a record on which reading itself fails, a bug or too little memory; without it that is raised.
    """
    arrivals: list[Incoming] = []
    letters: list[DeadLetter] = []
    passed: list[NobodysRecord] = []
    for record in records:
        try:
            found = read_record(record, ignored)
        except Exception as error:
            if failed is None:
                raise
            failed(record, error)
            continue
        if isinstance(found, Incoming):
            arrivals.append(found)
        elif isinstance(found, Poison):
            letters.append(letter_from_poison(record, found))
        else:
            passed.append((record.topic, record.partition, found.type, found.reason, record.offset))
    return in_deciding_order(arrivals), letters, passed


def _halves(items: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(items) // 2
    return items[:middle], items[middle:]


def why_too_early(incoming: Incoming) -> ValueError:
    """What the dead letter of an event from the future says."""
    limit = int(MAX_PRODUCER_SKEW.total_seconds() // 60)
    return ValueError(
        f"ce_time {incoming.event.occurred_at.isoformat()} is more than {limit} minutes in the future: "
        "set the producer's clock right, then redrive this record"
    )


def why_unfounded(incoming: Incoming) -> ValueError:
    """What the dead letter of an event of ours says that nobody of us has told."""
    cause = incoming.event.cause
    return ValueError(
        f"{cause.type} {cause.id} follows from nothing that is stored: only the relay writes to {FOLLOW_UPS}; "
        "find out who else does, and discard this record"
    )
