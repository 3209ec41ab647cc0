"""Processes beside this one, for work that one processor is too slow for.

A task is a coroutine function of a module, which is told a function to say with how far it has come. One process is
this one. A task that refuses (CommandError) refuses here; whatever else it raises, its process shows on stderr.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from services.terminal.output import CommandError

Task = Callable[..., Awaitable[Any]]
LOOK_SECONDS = 1.0
"""How often who waits for the others looks up."""


@dataclass(frozen=True, slots=True)
class _Come:
    to: int


@dataclass(frozen=True, slots=True)
class _Done:
    answer: Any


@dataclass(frozen=True, slots=True)
class _Refused:
    line: str


class Processes:
    """So many; started when there are several. Whoever makes them closes them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._running: list[tuple[BaseProcess, Pipe]] = []
        # Not forked: this process has connections, and threads.
        spawning = multiprocessing.get_context("spawn")
        for _ in range(count if count > 1 else 0):
            mine, its = spawning.Pipe()
            process = spawning.Process(target=_serve, args=(its,), daemon=True)
            process.start()
            its.close()  # so that the end of the process is the end of the pipe
            self._running.append((process, mine))

    async def all(
        self,
        task: Task,
        arguments: Sequence[tuple[Any, ...]],
        come_to: Callable[[int], Awaitable[None]],
    ) -> list[Any]:
        """What the task answers to each of these, one for each process. `come_to` is called with the sum, now and then.

        Raises CommandError.
        """
        assert len(arguments) == self.count
        if not self._running:
            return [await _here(task, arguments[0], come_to)]
        pipes = [pipe for _, pipe in self._running]
        for pipe, some in zip(pipes, arguments, strict=True):
            pipe.send((task, some))
        come = [0] * self.count
        answers: dict[int, Any] = {}
        while len(answers) < self.count:
            waiting = [pipe for n, pipe in enumerate(pipes) if n not in answers]
            for ready in await asyncio.to_thread(wait, waiting, LOOK_SECONDS):
                assert isinstance(ready, Pipe)
                number = pipes.index(ready)
                match _received(ready):
                    case _Come(to):
                        come[number] = to
                    case _Done(answer):
                        answers[number] = answer
                    case _Refused(line):
                        raise CommandError(line)
            await come_to(sum(come))
        return [answers[number] for number in range(self.count)]

    def close(self) -> None:
        """They end, whatever they are at."""
        for process, pipe in self._running:
            pipe.close()
            process.terminate()
        for process, _ in self._running:
            process.join()


async def _here(
    task: Task, arguments: tuple[Any, ...], come_to: Callable[[int], Awaitable[None]]
) -> Any:
    come = 0

    def told(to: int) -> None:
        nonlocal come
        come = to

    work = asyncio.ensure_future(task(told, *arguments))
    try:
        while not (await asyncio.wait((work,), timeout=LOOK_SECONDS))[0]:
            await come_to(come)
    finally:
        work.cancel()
    return work.result()


def _received(pipe: Pipe) -> Any:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise CommandError("a process that shared the work has ended: see what it said") from None


def _serve(pipe: Pipe) -> None:
    """Do what comes, until nobody is there to be told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it ends it
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task, arguments = pipe.recv()
            try:
                answer = asyncio.run(task(lambda to: pipe.send(_Come(to)), *arguments))
            except CommandError as error:
                pipe.send(_Refused(error.format_message()))
            else:
                pipe.send(_Done(answer))
