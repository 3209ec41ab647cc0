"""A test marked `alone` has the machine to itself: it stands last, and no other worker tests anything meanwhile.

Readers and a writer: every test holds the lock with the others, such a test alone. Whoever comes goes through the
door first, so that the one who waits for the others to leave is not overtaken for ever.
"""

from __future__ import annotations

import fcntl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stand.servers import shared_of


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last, where they keep no other worker from its work."""
    items.sort(key=is_alone)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Before the clock of the test's timeout runs."""
    shared = shared_of(item.config)
    if not shared:
        return (yield)
    with turn(Path(shared["directory"]), fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH):
        return (yield)


def is_alone(item: pytest.Item) -> bool:
    """Is it marked so, or its module or class?"""
    return item.get_closest_marker("alone") is not None


@contextmanager
def turn(directory: Path, kind: int) -> Iterator[None]:
    """Hold it while the block lasts, with others (LOCK_SH) or alone (LOCK_EX). A killed worker has given it back."""
    with (directory / "turn").open("w") as lock:
        with (directory / "door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(lock, kind)
        yield
