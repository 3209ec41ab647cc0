"""What was measured, in medians, and the targets it is held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.latency import LatencySample
from bench.race import Sample

US = "couponry-2"


@dataclass(slots=True, kw_only=True)
class Results:
    samples: list[Sample] = field(default_factory=list)
    latencies: list[LatencySample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def contestants(self) -> list[str]:
        """In order of first appearance."""
        return list(dict.fromkeys(sample.contestant for sample in self.samples))

    def of(self, contestant: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.contestant == contestant]

    def rate(self, contestant: str) -> float | None:
        """Median events per second, None if it was not measured."""
        return _median(sample.rate for sample in self.of(contestant))

    def cpu(self, contestant: str, *labels: str) -> float | None:
        """Median CPU seconds per 1,000 events, of these processes together; None where there are none."""
        return _median(
            sum(sample.cpu_per_thousand.get(label, 0.0) for label in labels)
            for sample in self.of(contestant)
            if any(label in sample.cpu_per_thousand for label in labels)
        )

    def peak_mb(self, contestant: str) -> float | None:
        peaks = [sample.peak_mb for sample in self.of(contestant) if sample.peak_mb is not None]
        return max(peaks, default=None)

    def latency_ms(self, contestant: str, percentile: str) -> float | None:
        return _median(
            getattr(sample, f"{percentile}_ms")
            for sample in self.latencies
            if sample.contestant == contestant
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "samples": [asdict(sample) | {"rate": sample.rate} for sample in self.samples],
            "latencies": [asdict(sample) for sample in self.latencies],
            "targets": [asdict(verdict) for verdict in verdicts(self)],
            "failures": self.failures,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and what came of it. `measured` None: not part of this run."""

    target: str
    limit: float
    at_least: bool
    measured: float | None

    @property
    def word(self) -> str:
        if self.measured is None:
            return "not measured"
        met = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return "reached" if met else "missed"


def verdicts(results: Results) -> list[Verdict]:
    r = results

    def at_least(limit: float, target: str, measured: float | None) -> Verdict:
        return Verdict(target=target, limit=limit, at_least=True, measured=measured)

    def at_most(limit: float, target: str, measured: float | None) -> Verdict:
        return Verdict(target=target, limit=limit, at_least=False, measured=measured)

    p99 = _latency_of_us(r, "p99")
    largest, smallest = _growth_ends(r)
    return [
        at_least(35, f"{US} / faststream-16", _ratio(r.rate(US), r.rate("faststream-16"))),
        at_least(5, f"{US} / handwritten", _ratio(r.rate(US), r.rate("handwritten"))),
        at_least(0.4, f"{US} / copy-1", _ratio(r.rate(US), r.rate("copy-1"))),
        at_most(80, "latency p50, ms", _latency_of_us(r, "p50")),
        at_most(
            2, "latency p99 / bare-publish p99", _ratio(p99, r.latency_ms("bare-publish", "p99"))
        ),
        at_least(0.85, "rate at most coupons / at fewest", _ratio(largest, smallest)),
        at_most(150, "issuer's peak MB with the lag", _lag_peak(r)),
    ]


def _latency_of_us(results: Results, percentile: str) -> float | None:
    ours = [s.contestant for s in results.latencies if s.contestant.startswith("couponry")]
    return results.latency_ms(ours[0], percentile) if ours else None


def _growth_ends(results: Results) -> tuple[float | None, float | None]:
    """Rates with the most and with the fewest coupons there."""
    grown = [name for name in results.contestants() if name.endswith(" coupons")]
    by_size = sorted(grown, key=lambda name: int(name.split()[-2].replace(",", "")))
    return (results.rate(by_size[-1]), results.rate(by_size[0])) if by_size[1:] else (None, None)


def _lag_peak(results: Results) -> float | None:
    lagging = [name for name in results.contestants() if name.endswith(" lag")]
    return results.peak_mb(lagging[0]) if lagging else None


def _ratio(measured: float | None, yardstick: float | None) -> float | None:
    return measured / yardstick if measured and yardstick else None


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
