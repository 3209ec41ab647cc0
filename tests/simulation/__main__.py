"""`python -m tests.simulation [--seeds N] [--first SEED] [--steps N]`: any number of seeded runs, with progress."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import connect, open_pool
from services.local.servers import start_servers
from services.runtime.settings import read_settings
from tests.simulation.stage import a_partner, empty_stage
from tests.simulation.world import run_seed


async def simulate(first: int, seeds: int, steps: int, state_dir: Path) -> None:
    """On a local Postgres of its own, or on the one that COUPONRY_POSTGRES_DSN names."""
    servers = await start_servers(read_settings(state_dir=state_dir), want=("postgres",))
    settings = read_settings(state_dir=state_dir, postgres_dsn=servers.postgres)
    try:
        await migrate(settings)
        owner = await connect(settings, "simulation", role=None)
        pool = await open_pool(settings, "simulation", max_size=3, enable_seqscan="off")
        partner_id = await a_partner(owner)
        began = time.monotonic()
        for number, seed in enumerate(range(first, first + seeds), 1):
            await empty_stage(owner, partner_id)
            await run_seed(pool, partner_id, seed, steps)
            if number % 50 == 0 or number == seeds:
                elapsed = time.monotonic() - began
                print(f"{number} of {seeds} seeds, {elapsed:.0f} s", file=sys.stderr)
        pool.terminate()
        await owner.close()
    finally:
        await servers.stop()
    print(f"{seeds} seeds from {first}, {steps} steps each: every invariant held")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many runs (200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--steps", type=int, default=25, help="steps of a run (25)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="couponry-simulation-") as directory:
        Path(directory).chmod(0o755)
        asyncio.run(
            simulate(arguments.first, arguments.seeds, arguments.steps, Path(directory) / "state")
        )


if __name__ == "__main__":
    main()
