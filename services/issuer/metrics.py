"""What an issuer counts and times. Names are listed in the README."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from prometheus_client import Counter, Gauge, Histogram

from services.domain.arrival import Verdict
from services.domain.letters import DeadLetter

DECISIONS = Counter(
    "couponry_decisions", "Events decided, by outcome and reason.", ["outcome", "reason"]
)
REPEATS = Counter("couponry_repeats", "Records whose event had its decision already.")
IDS_REUSED = Counter(
    "couponry_id_reused", "Repeats that name another partner, customer or type than was decided."
)
LETTERS = Counter("couponry_dead_letters", "Records given up, by stage.", ["stage"])
PASSED_OVER = Counter("couponry_passed_over", "Records that concern nobody, by reason.", ["reason"])
LOST_RACES = Counter("couponry_lost_races", "Batches rolled back and decided again.")
WITHOUT_LOCKS = Counter("couponry_batches_without_locks", "Batches decided without Redis locks.")
BATCH_SECONDS = Histogram(
    "couponry_batch_seconds",
    "Time of a batch by step.",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_RECORDS = Histogram(
    "couponry_batch_records", "Records in a batch.", buckets=(1, 10, 50, 100, 250, 500, 1000, 2000)
)
LAG = Gauge("couponry_lag_records", "Records not yet read, by partition.", ["topic", "partition"])
PAUSED = Gauge(
    "couponry_paused_partitions", "Partitions stopped because too many records are dead letters."
)


def step(name: str) -> AbstractContextManager[object]:
    """Time one step of a batch."""
    return BATCH_SECONDS.labels(name).time()


def count(
    read: int, repeats: int, verdicts: Sequence[Verdict], letters: Sequence[DeadLetter]
) -> None:
    """Add a finished batch to the counters."""
    BATCH_RECORDS.observe(read)
    if repeats:
        REPEATS.inc(repeats)
    tally = Tally((v.decision.outcome, v.decision.reason or "") for v in verdicts)
    for (outcome, reason), number in tally.items():
        DECISIONS.labels(outcome, reason).inc(number)
    for letter in letters:
        LETTERS.labels(letter.stage).inc()


def count_passed_over(by_reason: Mapping[str, int]) -> None:
    """Add records that concern nobody."""
    for reason, number in by_reason.items():
        PASSED_OVER.labels(reason).inc(number)
