"""Every fault there is, and the order in which a seed has them."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from tests.faults import clocks, failover, kills, moved_topics, outages, points, storms
from tests.faults.fault import Fault

FAULTS: Sequence[Fault] = (
    *kills.FAULTS,
    *points.FAULTS,
    *storms.FAULTS,
    *outages.FAULTS,
    *failover.FAULTS,
    *moved_topics.FAULTS,
    *clocks.FAULTS,
)


def chosen(only: Collection[str], seed: int) -> list[Fault]:
    """Those whose names begin with one of these words, or all, in the seed's order."""
    found = [one for one in FAULTS if not only or one.name.startswith(tuple(only))]
    random.Random(seed).shuffle(found)
    return found
