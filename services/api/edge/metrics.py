"""What the partner API counts. Paths are routes, never what a caller wrote."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter(
    "couponry_api_requests_total",
    "Requests answered, by route and status.",
    ("method", "route", "status"),
)
SECONDS = Histogram(
    "couponry_api_request_seconds",
    "Time of a request, by route.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
