"""The demo's account: what was sent and must happen, beside what subscribers saw happen."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.stage.demo.records import ISSUED, REPEAT, Fate, Record

SAMPLES = 6
SAMPLE_SECONDS = 0.3
"""Samples change no faster than somebody can read."""


@dataclass(slots=True)
class Ledger:
    """Everything by the tag of its record. `seen` comes from committed records alone; instants are monotonic seconds.

    While `timed`, the latency from a record to its readable coupon is kept, in seconds.
    """

    sent: int = 0
    repeats: int = 0
    expected: dict[str, Fate] = field(default_factory=dict)
    seen: dict[str, Fate] = field(default_factory=dict)
    seen_counts: Counter[Fate] = field(default_factory=Counter)
    seen_twice: list[str] = field(default_factory=list)
    last_seen_at: float = 0.0
    timed: bool = False
    latencies: list[float] = field(default_factory=list)
    coupons: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    examples: dict[Fate, str] = field(default_factory=dict)
    _sent_at: dict[str, float] = field(default_factory=dict)
    _sampled_at: float = 0.0

    def send(self, record: Record, at: float) -> None:
        """Before the record is handed to the producer, so that its outcome cannot come first."""
        self.sent += 1
        if record.fate is REPEAT:
            self.repeats += 1
            return
        self.expected[record.tag] = record.fate
        if self.timed:
            self._sent_at[record.tag] = at

    def see(self, tag: str, fate: Fate, at: float) -> None:
        """An outcome has become readable."""
        if tag in self.seen:
            self.seen_twice.append(tag)
            return
        self.seen[tag] = fate
        self.seen_counts[fate] += 1
        self.examples.setdefault(fate, tag)
        self.last_seen_at = at
        if fate is ISSUED and tag in self._sent_at:
            self.latencies.append(at - self._sent_at[tag])

    def show(self, coupon: Mapping[str, Any], at: float) -> None:
        """Keep this coupon as a sample, unless the last one is too fresh."""
        if at - self._sampled_at >= SAMPLE_SECONDS:
            self._sampled_at = at
            self.coupons.append(coupon)

    @property
    def outstanding(self) -> int:
        """Records sent whose outcome nobody has seen yet; repeats have none of their own."""
        return len(self.expected) - len(self.seen)

    def expected_counts(self) -> Counter[Fate]:
        return Counter(self.expected.values())

    def differences(self) -> Iterator[str]:
        """Where what happened is not what had to happen: one line each."""
        for tag, fate in self.expected.items():
            met = self.seen.get(tag)
            if met != fate:
                yield f"{tag}: must be {words(fate)}, {words(met) if met else 'nothing was seen'}"
        for tag in self.seen.keys() - self.expected.keys():
            yield f"{tag}: was never sent, {words(self.seen[tag])}"
        for tag in self.seen_twice:
            yield f"{tag}: was published twice to readers of committed records"


def words(fate: Fate) -> str:
    """A fate in a message."""
    return f"{fate.outcome} ({fate.detail})" if fate.detail else fate.outcome


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
