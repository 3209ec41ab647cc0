"""Points into coupons and back: `python -m bench.spending [--customers N] [--events N] [--seconds S]`, one table.

- by event: the pipeline alone, as in `program`, no Kafka and no relay: a request of a customer each, of a rule that takes
  a hundred points. Every customer has three lots of points.
- over HTTP: the same, and its undoing, asked of one process of the API beside a relay that publishes what comes of it. As
  fast as it goes with so many clients, and CPU by process meanwhile; then the latency at half of that, which counts from
  the moment at which a request was due.

What counts is CPU on a machine that others use too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import uvloop
from aiokafka import ConsumerRecord
from rich.console import Console
from rich.table import Table

from bench.accounts import WHO, deciding
from bench.api import CONNECTIONS, address_of
from bench.api import OURS as API
from bench.children import Command, running
from bench.http_load import Connection, Load, as_fast_as_it_goes, at_rate, connections, request
from bench.lifecycle import rate, record
from bench.meter import Meter, per_thousand
from bench.program import OURS, POSTGRES, WARM_UP_SEED, Cost, take
from bench.services import COUPONRY
from bench.shop import (
    RULE_ID,
    SPENDING_PROGRAM,
    SPENDING_SHOP_ID,
    add_shop,
    customer_named,
    customer_of,
)
from bench.shop_accounts import KEY, OPEN_DOOR, settle
from bench.stage import Stage, open_stage
from services.adapters.postgres.partners import digest
from services.runtime.garbage import look_only_when_told
from services.runtime.settings import read_settings
from services.stage.children import new_code_secret

LEAST_RATE = 300
MOST_TIMES_P50 = 10
WARM_UP_SECONDS = 1.0
REDEEM = "/api/v4/integrations/coupons/predefined"
UNDO = "/api/v4/integrations/coupons/{}/undo"
REGISTRATION: Final[tuple[str, dict[str, object]]] = ("customer.created", {})
VISIT: Final[tuple[str, dict[str, object]]] = ("customer.event", {"name": "visit", "metadata": {}})
RELAY = Command(label="relay", module=COUPONRY, arguments=("relay",))

UNDOABLE = """
    SELECT id::text FROM coupons WHERE partner_id = $1 AND status = 'active' ORDER BY code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked over HTTP: as fast as it goes with its CPU ms for each, and at half of that."""

    fastest: Load
    cpu_ms: Mapping[str, float]
    at_half: Load


async def fill(stage: Stage, customers: int) -> None:
    """The shop and its customers, who have registered and come by twice."""
    await add_shop(stage.owner, SPENDING_SHOP_ID, SPENDING_PROGRAM)
    await stage.owner.execute(OPEN_DOOR, SPENDING_SHOP_ID, digest(KEY))
    names = [customer_named(number) for number in range(customers)]
    async with deciding(stage.settings) as pipeline:
        for type_, more in (REGISTRATION, VISIT, VISIT):
            await rate(pipeline, [_record(type_, name, more) for name in names])


def _record(type_: str, customer_id: str, more: Mapping[str, object]) -> ConsumerRecord:
    return record(type_, {"partner_id": SPENDING_SHOP_ID, "customer_id": customer_id, **more})


async def by_event(stage: Stage, customers: int, events: int, rounds: int) -> Cost:
    """So many requests through the pipeline, round after round."""
    found = Cost()
    pids = [(OURS, os.getpid()), *_postgres(stage)]
    async with deciding(stage.settings) as pipeline:
        await rate(pipeline, _requests(events // 10, customers, WARM_UP_SEED))
        for number in range(rounds):
            said = await take(found, pipeline, _requests(events, customers, number), pids)
            _progress(f"round {number + 1} of {rounds}, redeem by event: {said}")
    return found


def _requests(count: int, customers: int, seed: int) -> list[ConsumerRecord]:
    rng = random.Random(f"redeem{seed}")
    return [
        _record(
            "points.redeem-requested",
            customer_of(rng, number, customers),
            {"rule_id": RULE_ID, "points": None},
        )
        for number in range(count)
    ]


async def over_http(stage: Stage, customers: int, seconds: float) -> dict[str, Asked]:
    """Redeemed, and undone."""
    environment = stage.service_environment() | {"COUPONRY_JWT_SECRET": secrets.token_hex(32)}
    async with running([API, RELAY], environment, stage.logs) as children:
        api, relay = children
        pids = [("api", api.pid), ("relay", relay.pid), *_postgres(stage)]
        async with connections(await address_of(api), CONNECTIONS) as opened:
            found = {"redeem": await ask("redeem", opened, _redeems(customers), seconds, pids)}
            ids = [row["id"] for row in await stage.owner.fetch(UNDOABLE, SPENDING_SHOP_ID)]
            undos = (request("POST", UNDO.format(id_), WHO) for id_ in ids)
            found["undo"] = await ask("undo", opened, undos, seconds, pids)
        for child in children:
            child.check()
    return found


def _redeems(customers: int) -> Iterator[bytes]:
    for number in itertools.cycle(range(customers)):
        body = {"customerId": customer_named(number), "ruleId": RULE_ID}
        yield request("POST", REDEEM, WHO, json.dumps(body).encode())


async def ask(
    name: str,
    opened: list[Connection],
    requests: Iterator[bytes],
    seconds: float,
    pids: Sequence[tuple[str, int]],
) -> Asked:
    """The figures of one kind of request. Raises ValueError of any answer but 200."""
    await as_fast_as_it_goes(opened, requests, WARM_UP_SECONDS)
    meter = Meter(pids)
    fastest = await as_fast_as_it_goes(opened, requests, seconds)
    cpu_ms = per_thousand(meter.seconds(), fastest.statuses.total())  # s for 1,000: ms for one
    at_half = await at_rate(opened, requests, 3 * seconds, fastest.rate / 2)
    wrong = {*fastest.statuses, *at_half.statuses} - {200}
    if wrong:
        raise ValueError(f"answers with status {sorted(wrong)}: the times mean nothing")
    used = ", ".join(f"{label} {ms:.2f}" for label, ms in cpu_ms.items())
    _progress(f"{name} over HTTP: {fastest.rate:,.0f}/s, CPU ms {used}")
    return Asked(fastest=fastest, cpu_ms=cpu_ms, at_half=at_half)


def _postgres(stage: Stage) -> list[tuple[str, int]]:
    """The server, unless it runs elsewhere."""
    return [one for one in stage.server_pids() if one[0] == POSTGRES]


def table_of(asked: Mapping[str, Asked], events: Cost) -> Table:
    """A row for each way of asking."""
    table = Table(
        "what", "per second", "p50/p99 at half", "CPU ms each", "of Postgres", "of the relay", "target",
        title=f"Points into coupons, load average {os.getloadavg()[0]:.1f}",
    )  # fmt: skip
    for name, each in asked.items():
        half = each.at_half
        p50, p99 = half.percentile_ms(0.5), half.percentile_ms(0.99)
        table.add_row(
            f"{name} over HTTP", f"{each.fastest.rate:,.0f}",
            f"{p50:.1f}/{p99:.1f} ms at {half.rate:,.0f}/s, x {p99 / p50:.1f}",
            f"{each.cpu_ms['api']:.2f}", f"{each.cpu_ms.get(POSTGRES, 0.0):.2f}", f"{each.cpu_ms['relay']:.2f}",
            f">= {LEAST_RATE}/s, < x {MOST_TIMES_P50}" if name == "redeem" else "",
        )  # fmt: skip
    table.add_row(
        "redeem by event", f"{median(events.rates):,.0f}", "", f"{median(events.ours_ms) / 1000:.3f}",
        f"{median(events.postgres_ms) / 1000:.3f}", "", "",
    )  # fmt: skip
    return table


async def measure(customers: int, events: int, rounds: int, seconds: float) -> Table:
    """On servers and a database of its own."""
    settings = read_settings(topic_partitions=1, code_secret=new_code_secret())
    state = (settings.state_dir / "benchmark-spending").resolve()
    async with open_stage(settings.model_copy(update={"state_dir": state}), _progress) as stage:
        await fill(stage, customers)
        costs = await by_event(stage, customers, events, rounds)
        await settle(stage.owner)
        return table_of(await over_http(stage, customers, seconds), costs)


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.spending",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10_000, help="by event, of a round")
    parser.add_argument("--rounds", type=int, default=3, help="of those")
    parser.add_argument("--seconds", type=float, default=5.0, help="over HTTP as fast as it goes")
    asked = parser.parse_args(arguments)
    look_only_when_told()  # as the issuer does
    Console(width=130).print(
        uvloop.run(measure(asked.customers, asked.events, asked.rounds, asked.seconds))
    )


if __name__ == "__main__":
    main()
