"""CPU seconds and memory by process, from what the operating system has counted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil


class Meter:
    """CPU seconds used since it was made, by label. A label may stand for several processes and their children."""

    def __init__(self, processes: Iterable[tuple[str, int]]) -> None:
        self._processes = [(label, psutil.Process(pid)) for label, pid in processes]
        self._before = self._now()

    def seconds(self) -> dict[str, float]:
        return {label: used - self._before[label] for label, used in self._now().items()}

    def _now(self) -> dict[str, float]:
        used: dict[str, float] = {}
        for label, process in self._processes:
            used[label] = used.get(label, 0.0) + _with_children(process)
        return used


def _with_children(process: psutil.Process) -> float:
    """Of a process, its living descendants, and the ended ones that it has waited for; of this process, its own."""
    if process.pid == os.getpid():
        return time.process_time()
    times = process.cpu_times()
    total: float = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system + own.children_user + own.children_system
    return total


def runs(pid: int) -> bool:
    """Whether the process lives; one that has ended and is not yet waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def peak_mb(pid: int) -> float:
    """The most memory the process has had resident so far, in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1_000_000


def per_thousand(cpu_seconds: Mapping[str, float], events: int) -> dict[str, float]:
    return {label: seconds * 1000 / events for label, seconds in cpu_seconds.items()}
