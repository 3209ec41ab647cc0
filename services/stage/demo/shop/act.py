"""The second act's action: the shop opens, the clock stops five times, and in the end every party is asked."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from rich.console import Console

from services.adapters.postgres.partners import add_partner
from services.local.servers import Servers
from services.runtime.settings import Settings
from services.stage.children import announced_url
from services.stage.demo.live import step
from services.stage.demo.reconciliation import STANDSTILL_SECONDS
from services.stage.demo.shop.agreement import MonthAccount, disagreements, seen_by_all
from services.stage.demo.shop.arithmetic import Reckoning
from services.stage.demo.shop.happenings import Buys, GetsBack, Joins, Redeems, Week
from services.stage.demo.shop.lines import Line
from services.stage.demo.shop.month import BROUGHT, NAMES, OLGA, RASA, month
from services.stage.demo.shop.news import News, news
from services.stage.demo.shop.opening import open_shop
from services.stage.demo.shop.program import PARTNER, TIME_ZONE
from services.stage.demo.shop.receiver import Receiver, receiver
from services.stage.demo.shop.standing import (
    cents_off,
    decisions,
    everything_decided,
    must_stand,
    stands,
)
from services.stage.demo.shop.telling import Teller, teller
from services.stage.demo.shop.till import Till
from services.stage.demo.stage import start_processes, while_alive
from services.terminal.addresses import postgres

BY_THE_CLOCK: Final = ("issuer", "sweeper", "webhooks")
"""What decides, ends and tells by the clock, and is started again when it is moved. The relay does not look at it."""

KINDS: Final = (
    (Joins, "joined"),
    (Buys, "orders"),
    (GetsBack, "refunds"),
    (Redeems, "coupons asked for"),
)
"""What a week is told by."""


def why_not(servers: Servers, settings: Settings) -> str | None:
    """What forbids this act; None: nothing does.

    The clock is moved of servers that are our own, or where the settings permit it: others may be at work, by the clock
    as it is.
    """
    own = servers.pids
    if not settings.allow_test_clock and not (own["kafka"] and own["postgres"]):
        return "it moves the clock, and these servers may be others' too: set COUPONRY_ALLOW_TEST_CLOCK=1"
    if settings.mask_codes:
        return (
            "its customers show the codes they hear of, which are masked: set COUPONRY_MASK_CODES=0"
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What one run plays with."""

    servers: Servers
    settings: Settings
    connection: asyncpg.Connection
    till: Till
    teller: Teller
    news: News
    system: Receiver
    console: Console


async def play_month(
    servers: Servers, settings: Settings, seed: int, console: Console
) -> MonthAccount:
    """All of it. `settings` have every address; their clock is that of the month's end. Raises CommandError."""
    prefix = f"shop-{secrets.token_hex(3)}-"
    weeks, reckoning, began = month(seed, prefix), Reckoning(), time.monotonic()
    async with postgres(settings, "demo") as connection:
        partner = await add_partner(connection, PARTNER, TIME_ZONE)
        async with receiver() as system, news(settings, partner.id) as heard:
            rules = await open_shop(settings, partner, system, console)
            step(
                console, 7, "A month",
                f"{len(NAMES)} customers; {', '.join(BY_THE_CLOCK)} start with their clock four weeks back,"
                " and again each week",
            )  # fmt: skip
            async with teller(settings, partner.id, rules, heard, prefix) as shop:
                played = Month(
                    servers=servers,
                    settings=settings,
                    connection=connection,
                    till=Till(partner=partner, rules=rules, news=heard),
                    teller=shop,
                    news=heard,
                    system=system,
                    console=console,
                )
                undecided: list[str] = []
                for week in weeks:
                    reckoning.reckon(week)
                    if not await _stop_at(played, week):
                        undecided.append(f"{_when(week)}: {_words(shop.told)}")
                        break
        return await _account(played, reckoning, undecided, seed, time.monotonic() - began)


async def _stop_at(played: Month, week: Week) -> bool:
    """Move the clock to the week's end and let it happen. False: something is not decided, and nothing moves."""
    offset = played.settings.clock_offset - timedelta(days=week.days_ago)
    moved = played.settings.model_copy(
        update={
            "allow_test_clock": True,
            "clock_offset_seconds": offset.total_seconds(),
            "webhook_allow_private": True,  # the shop's own system is on this machine
        }
    )
    processes = played.servers.processes
    is_called = week.at_counter or not played.system.secret
    names = (*BY_THE_CLOCK, *(("api",) if is_called else ()))
    relay = () if processes.pid("relay") else ("relay",)
    await start_processes(played.servers, moved, (*names, *relay))
    is_decided = await while_alive(processes, _live(played, moved, week), (*names, "relay"))
    await processes.stop(["api"])
    if is_decided:
        played.console.print(f"      {_line(played.news, week)}", soft_wrap=True)
    return is_decided


async def _live(played: Month, moved: Settings, week: Week) -> bool:
    """What goes over HTTP first, how the shop's own system is called before all; then what is asked about coupons, so
    that their codes are known when orders are told of."""
    log = played.servers.processes.state.path / "api.log"
    if not played.system.secret:
        await played.till.connect(announced_url(log, "api"), played.system)
    if week.at_counter:
        await played.till.serve(announced_url(log, "api"), week.at_counter)
    until = datetime.now(UTC) + moved.clock_offset
    for part in (week.asked, week.bought):
        await played.teller.tell(part, until)
        if not await everything_decided(
            played.connection, moved, played.news, played.system, played.teller.told
        ):
            return False
    return True


async def _account(
    played: Month, reckoning: Reckoning, undecided: Sequence[str], seed: int, seconds: float
) -> MonthAccount:
    partner_id = played.news.partner_id
    standing = await stands(played.connection, played.settings, partner_id, NAMES)
    decided = await decisions(played.connection, partner_id)
    off = await cents_off(played.connection, partner_id)
    must = reckoning.totals()
    taken_back = len(played.system.taken_back)
    seen = seen_by_all(played.news.counts, decided, off, taken_back, standing)
    must_be = {name: must_stand(each) for name, each in reckoning.customers.items()}
    anna, brought = Counter(BROUGHT.values()).most_common(1)[0]
    return MonthAccount(
        seed=seed,
        partner_id=partner_id,
        seconds=seconds,
        must=must,
        seen=seen,
        problems=[
            *undecided,
            *played.system.problems(),
            *disagreements(must, seen, must_be, standing),
        ],
        names={
            anna: f"who brought {brought} friends",
            RASA: "who owes points",
            OLGA: "who gave coupons back",
        },
    )


def _when(week: Week) -> str:
    return f"{week.days_ago} days ago" if week.days_ago else "today"


def _words(told: int) -> str:
    return f"not all of {told:,} events are decided, and nothing has moved for {STANDSTILL_SECONDS:.0f} s"


def _line(heard: News, week: Week) -> str:
    """What the week brought, and what everything has come to."""
    kinds = Counter(type(each) for each in week.happenings)
    happened = ", ".join(f"{kinds[kind]} {word}" for kind, word in KINDS if kinds[kind])
    counts = heard.counts
    return (
        f"{_when(week):<13}{happened:<45}so far {counts[Line.EARNED]:,} points earned, {counts[Line.ENDED]:,} ended;"
        f" {counts[Line.ROAST]} reached Roast, {counts[Line.ESPRESSO]} Espresso"
    )
