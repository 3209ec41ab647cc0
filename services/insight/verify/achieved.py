"""P4: campaigns are achieved no more often than the version of then allows, once an event, and counted as achieved."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import asyncpg
import orjson

from services.domain.campaigns import ANY_NUMBER
from services.domain.partner_program import PartnerProgram
from services.insight.verify.versions import Versions


class Achieved:
    """One customer's, in the order of decisions. `brought`: decisions that counted a friend; `undone`: those that gave
    a coupon back, each with the one that had spent points on it."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._counts: Counter[str] = Counter()
        self._last: tuple[object, str] | None = None
        self.brought: set[object] = set()
        self.undone: list[tuple[object, object]] = []

    async def faults(self, rows: AsyncIterator[asyncpg.Record]) -> AsyncIterator[str]:
        """What is wrong with each."""
        async for row in rows:
            id_ = row["campaign_id"]
            match row["what"]:
                case "brought":
                    self.brought.add(row["event_key"])
                case "undone":
                    self.undone.append((row["event_key"], row["bought_by"]))
                case "revoked":
                    self._counts[id_] -= 1
                case _:
                    if self._last == (row["event_key"], id_):
                        yield f"has achieved campaign {id_} twice by decision {row['event_key']}"
                    self._last = (row["event_key"], id_)
                    program = await self._versions.at(row["partner_id"], row["program_version"])
                    most = _most(program, id_)
                    if most != ANY_NUMBER and self._counts[id_] >= most:
                        yield (
                            f"has achieved campaign {id_} by decision {row['event_key']}, and version "
                            f"{row['program_version']} allows {most}"
                        )
                    self._counts[id_] += 1

    def miscounted(self, stored: str) -> Iterator[str]:
        """What a wallet says of campaigns, and what its decisions do not."""
        counts = {id_: achieved for id_, (achieved, *_) in orjson.loads(stored).items()}
        for id_ in sorted(counts.keys() | self._counts.keys(), key=str):
            if counts.get(id_, 0) != self._counts[id_]:
                yield (
                    f"counts {counts.get(id_, 0)} achievements of campaign {id_}, and decisions "
                    f"made {self._counts[id_]} that stand"
                )


def _most(program: PartnerProgram | None, campaign_id: str) -> int:
    """How often it may be achieved; a campaign that the version lacks, never; any number where nobody can say."""
    if program is None:
        return ANY_NUMBER
    found = (each for each in program.campaigns if str(each.id) == campaign_id)
    campaign = next(found, None)
    return 0 if campaign is None else campaign.max_achievement
