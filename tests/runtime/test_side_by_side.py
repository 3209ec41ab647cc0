"""Works side by side: the first refusal is what is raised, whatever the others say while they are being ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from services.runtime.settings import SettingsError
from services.runtime.side_by_side import side_by_side

SAID_WHILE_ENDED: list[Callable[[], BaseException]] = [
    asyncio.CancelledError,
    lambda: asyncpg.InterfaceError("connection is closed"),
    lambda: asyncpg.InternalClientError("out of step"),
    lambda: asyncpg.ConnectionDoesNotExistError("cut"),
    lambda: asyncpg.QueryCanceledError("canceling statement due to user request"),
    lambda: KafkaConnectionError("no broker"),
    lambda: TimeoutError("close took too long"),
    lambda: AssertionError("self.waiter is None"),
    lambda: SettingsError("another refusal"),
    lambda: ExceptionGroup("a group of its own", [ValueError("deep")]),
]

Work = Coroutine[object, object, None]


async def _ended_with(said: Callable[[], BaseException], begun: asyncio.Event) -> None:
    """Waits to be ended, and then has something else to say."""
    try:
        begun.set()
        await asyncio.Event().wait()
    finally:
        raise said()


async def _refuses(begun: asyncio.Event) -> None:
    await begun.wait()
    try:
        raise OSError("the cause")
    except OSError as error:
        raise SettingsError("the reason") from error


@pytest.mark.parametrize("said", SAID_WHILE_ENDED, ids=[repr(make()) for make in SAID_WHILE_ENDED])
@pytest.mark.parametrize("turned", [False, True], ids=["second", "first"])
async def test_first_refusal_wins(said: Callable[[], BaseException], turned: bool) -> None:
    """It comes as it is, with its cause; what the other work raised in the end is a note on it."""
    begun = asyncio.Event()
    works: list[Work] = [_ended_with(said, begun), _refuses(begun)]
    with pytest.raises(SettingsError, match="the reason") as refusal:
        await side_by_side(*(reversed(works) if turned else works))
    assert isinstance(refusal.value.__cause__, OSError)
    notes = getattr(refusal.value, "__notes__", [])
    expected = 0 if said is asyncio.CancelledError else 1
    assert len(notes) == expected
    assert all(repr(said()) in note for note in notes)


@pytest.mark.parametrize("said", SAID_WHILE_ENDED, ids=[repr(make()) for make in SAID_WHILE_ENDED])
async def test_interruption_wins_over_what_works_say(said: Callable[[], BaseException]) -> None:
    """Whoever cancels all of it gets a cancellation: Ctrl-C stays Ctrl-C."""
    begun = asyncio.Event()
    whole = asyncio.ensure_future(side_by_side(_ended_with(said, begun)))
    await begun.wait()
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole


async def test_work_that_ends_itself_by_cancellation_is_no_success() -> None:
    """Half of a work must not pass for all of it because a client's cancellation leaked out of it."""

    async def leaks() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled"):
        await side_by_side(leaks(), asyncio.sleep(0))


async def test_works_that_all_return_are_waited_for() -> None:
    """It returns when the last has returned."""
    done: list[int] = []

    async def work(number: int, before: int) -> None:
        while len(done) < before:
            await asyncio.sleep(0)
        done.append(number)

    await side_by_side(work(1, 2), work(2, 1), work(3, 0))
    assert done == [3, 2, 1]
