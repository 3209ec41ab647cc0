"""A standby that lagged is promoted: what it never heard of has to be decided and told once more, as the same coupons.

A copy of the database is the standby. What depends on what came first on another topic (redemptions, reversals), and
what nobody will ask for again (a coupon by hand that was answered, one that a partner's system is to be told of), is
lost with a standby that lags whatever the service does: it rests until the promotion is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tests.faults.coupon_system import UNTOLD
from tests.faults.fault import Fault
from tests.faults.run import PATIENCE_SECONDS, outcomes, told
from tests.faults.system import RESERVATION_SECONDS, System
from tests.stand.copies import administration, alone, database_name, with_database
from tests.stand.waiting import eventually

LAG_SECONDS = 4.0


async def fail_over(system: System) -> Collection[str]:
    """Over when the standby has the primary's name; what was sent since it was left behind is to be decided there."""
    system.tills.open = system.load.redeems = system.load.tells = False
    try:
        await asyncio.sleep(RESERVATION_SECONDS + 1)  # reservations are over, and told
        await outcomes(system, set(system.ledger.open))
        await told(system)
        await eventually(
            lambda: _all_told(system), "the partner's system is told", PATIENCE_SECONDS
        )
        return await _promote(system)
    finally:
        system.tills.open = system.load.redeems = system.load.tells = True


async def _all_told(system: System) -> bool:
    return not await system.fetchval(UNTOLD)


async def _promote(system: System) -> Collection[str]:
    primary = database_name(system.direct)
    standby, gone = f"{primary}_standby", f"{primary}_gone"
    async with administration(with_database(system.direct, "postgres")) as admin:
        known = set(system.ledger.sent)
        await alone(admin, [primary], f"CREATE DATABASE {standby} TEMPLATE {primary}")
        await asyncio.sleep(LAG_SECONDS)
        await alone(
            admin, [primary, standby],
            f"ALTER DATABASE {primary} RENAME TO {gone}; ALTER DATABASE {standby} RENAME TO {primary}",
        )  # fmt: skip
        await admin.execute(f"DROP DATABASE {gone} WITH (FORCE)")
    return system.ledger.sent.keys() - known


FAULTS = [
    Fault(
        name="failover",
        about=f"a standby that has missed the last {LAG_SECONDS:.0f} s is promoted",
        act=fail_over,
        may_repeat=True,
    )
]
