"""The account of the month: what had to come of it, what was seen, in all and by customer, and whether they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.stage.demo.shop.lines import Line
from services.stage.demo.shop.standing import DECIDED, Stands

SHOWN_DIFFERENCES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthAccount:
    """`problems` is empty when all agree; `names` are customers worth a look, with why."""

    seed: int
    partner_id: int
    seconds: float
    must: Counter[Line]
    seen: Counter[Line]
    problems: Sequence[str]
    names: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "seed": self.seed,
            "partner_id": self.partner_id,
            "seconds": round(self.seconds, 1),
            "expected": {line: self.must[line] for line in Line},
            "seen": {line: self.seen[line] for line in Line},
            "balanced": not self.problems,
            "problems": list(self.problems),
        }


def seen_by_all(
    heard: Counter[Line],
    decided: Counter[str],
    off: int,
    taken_back: int,
    standing: Mapping[str, Stands],
) -> Counter[Line]:
    """Each line by who can tell: messages by subscribers, events and cents off by the decisions, codes that are given
    back by the shop's own system, what is left by the statements."""
    seen = Counter(heard)
    seen[Line.OFF], seen[Line.CODES_BACK] = off, taken_back
    for type_, line in DECIDED.items():
        seen[line] += decided[type_]
    for each in standing.values():
        seen[Line.SPENT] += each.cents
        seen[Line.HELD] += each.points
        seen[Line.OWED] += each.owed
    return seen


def disagreements(
    must: Counter[Line],
    seen: Counter[Line],
    must_stand: Mapping[str, Stands],
    standing: Mapping[str, Stands],
) -> Iterator[str]:
    """One line each; a long list of customers is cut short."""
    for line in Line:
        if must[line] != seen[line]:
            yield f"{line}: must be {must[line]:,}, seen {seen[line]:,}"
    differing = [
        f"{name}: must be {each}; seen {standing.get(name, 'nothing')}"
        for name, each in must_stand.items()
        if standing.get(name) != each
    ]
    yield from differing[:SHOWN_DIFFERENCES]
    if len(differing) > SHOWN_DIFFERENCES:
        yield f"... and {len(differing) - SHOWN_DIFFERENCES} more customers"
