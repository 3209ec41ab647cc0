"""Codes that groups of coupons were given, which they issue in their order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pools:
    """`free`: of each group that was ever given codes, those that it has left."""

    free: dict[str, list[str]] = field(default_factory=dict)
    issued: set[str] = field(default_factory=set)

    def add(self, handle: str, codes: Sequence[str], ours: Collection[str]) -> list[str]:
        """Put them behind those that there are; returns those that somebody has already. `ours`: what coupons show."""
        pool, refused = self.free.setdefault(handle, []), []
        for code in codes:
            if (
                code in ours
                or code in self.issued
                or any(code in each for each in self.free.values())
            ):
                refused.append(code)
            else:
                pool.append(code)
        return refused

    def next(self, handle: str | None) -> str | None:
        """The next one of a group is issued, for ever; None of one that has no pool."""
        if handle is None or handle not in self.free:
            return None
        code = self.free[handle].pop(0)
        self.issued.add(code)
        return code

    def is_empty(self, handle: str) -> bool:
        return self.free.get(handle) == []

    def keep(self, handles: Collection[str]) -> None:
        """These groups are left: what others have not issued is free again."""
        self.free = {handle: codes for handle, codes in self.free.items() if handle in handles}
