"""What deliveries count and time. Names are listed in the README."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "couponry_webhook_attempts",
    "Attempts at deliveries to partners' systems, by outcome; a code that is promised counts as failed until it comes.",
    ["outcome"],
)
PENDING = Gauge(
    "couponry_webhook_pending", "Deliveries that are to be sent, but for those that are held."
)
OLDEST = Gauge(
    "couponry_webhook_oldest_pending_seconds", "Since when the oldest of them tells something."
)
SECONDS = Histogram(
    "couponry_webhook_seconds",
    "Time of a request to a partner's system.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)
