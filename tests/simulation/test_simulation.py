"""Some simulated runs. `python -m tests.simulation --seeds N` runs any number."""

from __future__ import annotations

import pytest

from services.adapters.postgres.pool import connect, open_pool
from services.runtime.settings import Settings
from tests.simulation.stage import a_partner, empty_stage
from tests.simulation.world import run_seed

SEEDS = 52
SEEDS_PER_TEST = 13
STEPS = 25


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
async def test_simulated_runs_keep_every_invariant(settings: Settings, first: int) -> None:
    """Redelivery, reordering, crashes, lost locks, clock, rule and program changes, points spent and given back, codes of
    pools: the invariants hold after every step, a second reading of the contract says the same of every decision and every
    customer, `verify` finds nothing in the end, and what is read once more changes nothing."""
    owner = await connect(settings, "simulation", role=None)
    pool = await open_pool(settings, "simulation", max_size=3, enable_seqscan="off")
    try:
        partner_id = await a_partner(owner)
        for seed in range(first, first + SEEDS_PER_TEST):
            await empty_stage(owner, partner_id)
            await run_seed(pool, partner_id, seed, STEPS)
    finally:
        pool.terminate()
        await owner.close()
