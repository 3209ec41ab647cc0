"""What a relay tells the outside about itself, and what it remembers when it starts over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.adapters.postgres.standing import REFUSES_WRITES
from services.relay import metrics

STUCK_AFTER_SECONDS = 90.0
"""Every single step of the relay has a shorter timeout than this."""
SLOW_AFTER_SECONDS = 5.0
"""A batch that takes longer is reported; the publisher gives it up later."""
HELD_SECONDS = 5.0
"""How long a topic that Kafka does not have is left alone before it is asked for again."""


@dataclass(slots=True, kw_only=True)
class Condition:
    """Mutable on purpose: the relay's loop writes it, the health endpoint reads it."""

    trouble: dict[str, str] = field(default_factory=dict)
    """Why nothing can be published now, by server; empty: all is well, or another relay is publishing."""
    on_start: Callable[[], None] = lambda: None
    """Called whenever it begins to publish, publishes or stands by."""
    read_only: bool = False
    """The database refuses writes."""
    kafka_silence: str | None = None
    """Why a cluster that there is nothing to send to is away."""
    started: bool = False
    """All topics were there once."""
    refused_rows: int = 0
    refused_reason: str = ""
    held: dict[str, float] = field(default_factory=dict)
    """Topics that Kafka does not have, each until when (monotonic) its rows are passed over."""
    alone: set[int] = field(default_factory=set)
    """Rows to be sent in record batches of their own, because Kafka refused one of them."""
    batch_began_at: float | None = None
    """Monotonic; None while no batch is in hand."""
    moved_at: float = field(default_factory=time.monotonic)

    def moved(self) -> None:
        """The relay came round its loop."""
        self.moved_at = time.monotonic()

    def works(self) -> None:
        """A batch is out, or nothing waits, or another relay publishes: the next failure is the first in a row."""
        self.trouble.clear()
        self.on_start()

    def stand_by(self) -> None:
        """Another relay publishes; that is how it should be, and what needs attention is its to tell."""
        self.works()
        self.held.clear()
        self.refused_rows = 0
        self.moved()

    def hold(self, topic: str) -> None:
        """Pass over the rows of this topic for a while."""
        self.held[topic] = time.monotonic() + HELD_SECONDS

    def passed_over(self) -> list[str]:
        """The topics not to be read now; those held long enough are forgotten, and so looked for again."""
        now = time.monotonic()
        self.held = {topic: until for topic, until in self.held.items() if until > now}
        return list(self.held)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """A batch is in hand."""
        self.batch_began_at = time.monotonic()
        try:
            yield
        finally:
            self.batch_began_at = None

    def note(self, figures: Mapping[str, Any]) -> None:
        """Take in a row of the query `figures`."""
        metrics.DEPTH.set(figures["waiting"])
        metrics.AGE.set(figures["age_seconds"])
        metrics.SET_ASIDE.set(figures["refused"])
        self.read_only = figures["read_only"]
        self.refused_rows = figures["refused"]
        self.refused_reason = figures["first_reason"] or ""

    def why_not_live(self) -> str | None:
        """The liveness check."""
        idle = time.monotonic() - self.moved_at
        return f"nothing has moved for {idle:.0f} s" if idle > STUCK_AFTER_SECONDS else None

    def why_not_postgres(self) -> str | None:
        """The readiness check of Postgres; what takes too long shows here, whoever it is that does not answer."""
        if text := self.trouble.get("postgres"):
            return text
        if self.batch_began_at is not None:
            taken = time.monotonic() - self.batch_began_at
            if taken > SLOW_AFTER_SECONDS:
                return f"Kafka or Postgres has not answered for {taken:.0f} s"
        return REFUSES_WRITES if self.read_only else None

    def why_not_kafka(self) -> str | None:
        """The readiness check of Kafka."""
        return self.trouble.get("kafka") or self.kafka_silence

    def missing_topics(self) -> str | None:
        """A warning: rows of other topics pass."""
        if not self.held:
            return None
        return f"Kafka has no topic {', '.join(sorted(self.held))}: run `couponry topics`"

    def refusals(self) -> str | None:
        """A warning: the rows beside these pass."""
        if not self.refused_rows:
            return None
        return (
            f"Kafka refused {self.refused_rows} rows of the outbox for good "
            f"(column `refused`); the first: {self.refused_reason}"
        )
