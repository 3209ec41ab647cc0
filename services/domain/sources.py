"""Who may speak for a partner: patterns of CloudEvents sources, `*` standing for any characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache


def may_speak(source: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is the whole of this source, case and all; without patterns everybody may."""
    return not patterns or any(_pattern(pattern).fullmatch(source) for pattern in patterns)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    # Runs of stars are one: each more would make a match that fails take longer by a power.
    parts = (re.escape(part) for part in re.sub(r"\*+", "*", pattern).split("*"))
    return re.compile(".*".join(parts), re.DOTALL)
