"""A process for `test_races.py`: many pipelines, each with a connection of its own, that start together.

Every line on stdin is a round's name; the answer on stdout is how many events were decided. Settings come from the
environment.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings, read_settings
from tests.stand.records import completed


@asynccontextmanager
async def pipelines(settings: Settings, count: int) -> AsyncIterator[list[Pipeline]]:
    """So many pipelines that share nothing but the servers."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            pool = await open_pool(settings, "couponry-issuer", max_size=1, enable_seqscan="off")
            stack.callback(pool.terminate)
            locks = CustomerLocks(settings)
            stack.push_async_callback(locks.close)
            made.append(Pipeline(pool, locks))
        yield made


async def race(lanes: list[Pipeline], name: str, partner_id: int, game_id: int) -> int:
    """Each pipeline decides one completion of one customer, all at once; returns how many were decided."""
    reports = await asyncio.gather(
        *(
            lane.process(
                [
                    completed(
                        f"{name}-{n}", name.split(":")[0], partner_id=partner_id, game_id=game_id
                    )
                ]
            )
            for n, lane in enumerate(lanes)
        )
    )
    return sum(len(report.verdicts) for report in reports)


async def main(count: int, partner_id: int, game_id: int) -> None:
    """Race whenever told to."""
    async with pipelines(read_settings(), count) as lanes:
        print("ready", flush=True)
        while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
            print(await race(lanes, name, partner_id, game_id), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
