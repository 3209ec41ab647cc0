"""The account of one run: what had to happen, what was seen, what the database holds, and whether they agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.stage.demo.records import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Counts are records. `problems` is empty when the account balances; latencies are milliseconds.

    `examples`: an event for each fate that was met; `coupon`: one that was issued, as it was published.
    """

    seed: int
    partner_id: int
    sent: int
    repeats: int
    expected: Counter[Fate]
    seen: Counter[Fate]
    problems: Sequence[str]
    steady_per_second: int
    p50_ms: float
    p99_ms: float
    rush_records: int
    rush_seconds: float
    examples: Mapping[Fate, str]
    coupon: Mapping[str, Any]

    @property
    def absorbed(self) -> int:
        """Records that were read and brought about nothing new."""
        return self.sent - self.seen.total()

    @property
    def events_per_second(self) -> float:
        return self.rush_records / self.rush_seconds if self.rush_seconds > 0 else math.nan

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "seed": self.seed,
            "partner_id": self.partner_id,
            "sent": self.sent,
            **_by_outcome(self.seen, self.absorbed),
            "expected": _by_outcome(self.expected, self.repeats),
            "balanced": not self.problems,
            "problems": list(self.problems),
            "events_per_second": _finite(self.events_per_second),
            "latency_ms": {"p50": _finite(self.p50_ms), "p99": _finite(self.p99_ms)},
        }


def _by_outcome(counts: Counter[Fate], repeats: int) -> dict[str, Any]:
    def details(outcome: str) -> dict[str, int]:
        return {
            fate.detail: count for fate, count in sorted(counts.items()) if fate.outcome == outcome
        }

    return {
        "issued": counts[Fate("issued")],
        "declined": details("declined"),
        "repeats": repeats,
        "dead_lettered": details("dead"),
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return round(value, 1) if math.isfinite(value) else None
