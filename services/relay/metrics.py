"""What a relay counts and times. Names are listed in the README."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prometheus_client import Counter, Gauge, Histogram

PUBLISHED = Counter("couponry_relay_messages", "Messages committed to Kafka.", ["topic"])
REFUSED = Counter("couponry_relay_refused", "Rows set aside because Kafka refused them for good.")
START_OVERS = Counter("couponry_relay_start_overs", "Times the relay began again after an error.")
ACTIVE = Gauge("couponry_relay_active", "1 while this relay publishes, 0 while it waits or starts.")
DEPTH = Gauge("couponry_outbox_rows", "Rows waiting in the outbox, counted up to 100,000.")
AGE = Gauge("couponry_outbox_age_seconds", "Age of the oldest row waiting in the outbox.")
SET_ASIDE = Gauge("couponry_outbox_refused_rows", "Rows of the outbox that are set aside.")
BATCH_ROWS = Histogram(
    "couponry_relay_batch_rows", "Rows in a batch.", buckets=(1, 10, 50, 100, 250, 500, 1000, 2000)
)
STEP_SECONDS = Histogram(
    "couponry_relay_step_seconds",
    "Time of a batch by step.",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)


def step(name: str) -> AbstractContextManager[object]:
    """Time one step of a batch."""
    return STEP_SECONDS.labels(name).time()
