"""A test that is `alone` waits for the others to end, and they for it; none is overtaken for ever."""

from __future__ import annotations

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stand.turns import pytest_collection_modifyitems, turn

DEADLINE_SECONDS = 10.0


class Worker:
    """Takes a turn in a thread, and says when it has it."""

    def __init__(self, directory: Path, kind: int) -> None:
        self.has_it, self.may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(directory, kind))
        self._thread.start()

    def _run(self, directory: Path, kind: int) -> None:
        with turn(directory, kind):
            self.has_it.set()
            self.may_end.wait(DEADLINE_SECONDS)

    def end(self) -> None:
        """Give the turn back."""
        self.may_end.set()
        self._thread.join()


def test_turn_alone_excludes_the_others_and_is_not_overtaken(tmp_path: Path) -> None:
    """Two together; one that wants to be alone waits for both, and who comes later waits behind it."""
    with ExitStack() as ends:
        first, second = (Worker(tmp_path, fcntl.LOCK_SH) for _ in range(2))
        assert first.has_it.wait(DEADLINE_SECONDS)
        assert second.has_it.wait(DEADLINE_SECONDS)
        alone = Worker(tmp_path, fcntl.LOCK_EX)
        ends.callback(alone.end)
        first.end()
        assert not alone.has_it.wait(0.1)
        later = Worker(tmp_path, fcntl.LOCK_SH)
        ends.callback(later.end)
        assert not later.has_it.wait(0.1)
        second.end()
        assert alone.has_it.wait(DEADLINE_SECONDS)
        assert not later.has_it.wait(0.1)
        alone.end()
        assert later.has_it.wait(DEADLINE_SECONDS)


def test_tests_that_are_alone_stand_last(request: pytest.FixtureRequest) -> None:
    """The rest keeps its order; each of them says why it has to be."""
    items = list(request.session.items)
    reasons = [mark.args for item in items for mark in item.iter_markers("alone")]
    assert all(len(arguments) == 1 for arguments in reasons)
    mixed = items[::-1]
    pytest_collection_modifyitems(mixed)
    is_alone = [item.get_closest_marker("alone") is not None for item in mixed]
    assert is_alone == sorted(is_alone)
    assert [item for item in mixed if not item.get_closest_marker("alone")] == [
        item for item in items[::-1] if not item.get_closest_marker("alone")
    ]
