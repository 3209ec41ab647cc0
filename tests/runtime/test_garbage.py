"""When a process looks for reference cycles: in a process of its own, since it is a switch of all."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc
from services.runtime.garbage import look_only_when_told, worked_on

class Cycle:
    def __init__(self):
        self.itself = [self]

look_only_when_told()
gc.callbacks.append(lambda phase, info: found.append(info["collected"]) if phase == "stop" else None)
found = []
for batch in range(1, 30_000):
    records = [[number] for number in range({records})]
    for _ in range({cycles}):
        Cycle()
    del records
    worked_on({records})
    if found:
        break
print(batch, sum(found) >= 2 * {cycles} * batch)
"""


@pytest.mark.parametrize(
    ("records", "cycles", "batches"),
    [
        (2_000, 0, 100),
        (2_000, 5, 100),
        # Ten thousand objects of every batch stay: after as many batches as make a quarter of a million.
        (2_000, 5_000, 25),
        # Single records: what little they leave need not be found sooner.
        (1, 1, 20_000),
    ],
)
def test_garbage_is_looked_for_when_there_may_be_some(
    records: int, cycles: int, batches: int
) -> None:
    """After so many batches, or as soon as what was made is not dropped; then all of it is found."""
    script = SCRIPT.format(records=records, cycles=cycles)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    looked_at, has_found_all = done.stdout.split()
    assert has_found_all == "True"
    assert batches - 1 <= int(looked_at) <= batches + 1


NEW_ONLY = """
import gc
import services.api.app
from services.runtime.garbage import look_at_what_is_new

class Cycle:
    def __init__(self):
        self.itself = [self]

look_at_what_is_new()
looked_at = len(gc.get_objects())
for _ in range(1_000):
    Cycle()
print(gc.isenabled(), gc.get_freeze_count() > 50 * looked_at, gc.collect() <= 1_000)
"""


def test_garbage_of_requests_is_looked_for_without_what_is_imported() -> None:
    """The API's modules are a hundred thousand objects; cycles that are made later are found by themselves."""
    done = subprocess.run(
        [sys.executable, "-c", NEW_ONLY], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "True", "True"]
