"""The whole system, for one run: servers of its own behind proxies, the service's processes, the load, the account.

The processes reach their servers through the proxies alone; the load and whoever looks go to the servers themselves.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.adapters.kafka import ensure_topics
from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.partners import add_partner
from services.adapters.postgres.pool import connect
from services.local import kafka
from services.local.elsewhere import remove_state
from services.local.process import Processes, Server
from services.local.servers import SETTING, Servers, start_servers
from services.local.state import HOST
from services.runtime.settings import Settings, read_settings
from services.stage.children import new_code_secret
from tests.faults.coupon_system import RETRIES, coupon_system
from tests.faults.fleet import Fleet, fleet_of
from tests.faults.ledger import Ledger
from tests.faults.load import Games, Load
from tests.faults.tills import JWT_SECRET, Tills
from tests.stand.clocks import FakeClock
from tests.stand.issuing import a_game
from tests.stand.processes import environment
from tests.stand.proxy import Proxy, proxied
from tests.stand.receiver import Receiver

PARTITIONS = 4
RESERVATION_SECONDS = 2
"""So that the sweeper has something to do."""
MEMBERS = ("issuer-1", "issuer-2", "relay-1", "relay-2", "sweeper-1", "webhooks-1", "api-1")
BEHIND = "BEHIND"
"""Kafka's second listener, whose clients are told to come through the proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a fault may lay hands on. `direct`: settings that lead around the proxies."""

    direct: Settings
    servers: Servers
    proxies: dict[str, Proxy]
    fleet: Fleet
    ledger: Ledger
    load: Load
    tills: Tills
    receiver: Receiver
    dice: random.Random
    progress: Callable[[str], None]

    @property
    def games(self) -> Games:
        """What is played."""
        return self.load.games

    async def execute(self, statement: str, *arguments: Any) -> None:
        """One statement of the database's owner, on a session of its own."""
        connection = await connect(self.direct, "faults", role=None)
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """One value, likewise."""
        connection = await connect(self.direct, "faults", role=None)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def couponry(self, *arguments: str, crash_at: str | None = None) -> tuple[int, str, str]:
        """A command as a process of its own: exit code, stdout, stderr."""
        settings = self.direct.model_copy(
            update={"crash_at": crash_at, "allow_crash_points": crash_at is not None}
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *arguments,
            env=environment(settings), stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@contextmanager
def _state_dir(logs: Path | None) -> Iterator[Path]:
    """One that Postgres' own account can enter; what was logged there is copied in the end, if so wanted."""
    with tempfile.TemporaryDirectory(prefix="couponry-faults-") as directory:
        Path(directory).chmod(0o755)
        state_dir = Path(directory, "state")
        try:
            yield state_dir
        finally:
            if logs is not None:
                logs.mkdir(parents=True, exist_ok=True)
                for path in state_dir.glob("*.log"):
                    shutil.copy(path, logs)
            remove_state(state_dir)


@asynccontextmanager
async def open_system(
    seed: int, per_second: float, logs: Path | None, progress: Callable[[str], None]
) -> AsyncIterator[System]:
    """All of it, at work; nothing of it is left when the block ends, but copies of what was logged in `logs`."""
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        state_dir = stack.enter_context(_state_dir(logs))
        # Its servers are killed: never those that somebody named.
        settings = read_settings(
            state_dir=state_dir, topic_partitions=PARTITIONS, topic_prefix="",
            code_secret=new_code_secret(), secrets_key=new_code_secret(), reservation_ttl_seconds=RESERVATION_SECONDS,
            jwt_secret=JWT_SECRET, jwt_jwks_url=None, crash_at=None, **dict.fromkeys(SETTING.values()),
        )  # fmt: skip
        servers = await start_servers(settings, want=("postgres", "redis"), progress=progress)
        stack.push_async_callback(servers.stop)
        direct, behind, proxies = await _proxied(servers, settings, stack, progress)
        await migrate(direct)
        await ensure_topics(direct)
        games = await _stage(direct)
        receiver = await stack.enter_async_context(
            coupon_system(direct, games.other_partner_id, random.Random(dice.random()))
        )
        ledger = Ledger()
        state = servers.processes.state
        behind = behind.model_copy(
            update={
                "api_port": state.port("api"),
                "webhook_allow_private": True,
                "webhook_retry_seconds": RETRIES,
            }
        )
        fleet = await stack.enter_async_context(fleet_of(behind, state))
        load = Load(
            settings=direct, games=games, ledger=ledger, dice=random.Random(dice.random()),
            per_second=per_second,
        )  # fmt: skip
        tills = Tills(
            settings=behind, games=games, ledger=ledger, dice=random.Random(dice.random())
        )
        progress(f"starting {', '.join(MEMBERS)}")
        for member in [await fleet.start(name) for name in MEMBERS]:
            await fleet.started(member)
        yield System(
            direct=direct, servers=servers, proxies=proxies, fleet=fleet, ledger=ledger, load=load,
            tills=tills, receiver=receiver, dice=dice, progress=progress,
        )  # fmt: skip


async def _proxied(
    servers: Servers, settings: Settings, stack: AsyncExitStack, progress: Callable[[str], None]
) -> tuple[Settings, Settings, dict[str, Proxy]]:
    """Settings that lead to the servers and those that lead through the proxies, and these."""
    proxies: dict[str, Proxy] = {}
    through: dict[str, str] = {}
    for name in ("postgres", "redis"):
        proxies[name], through[SETTING[name]] = await stack.enter_async_context(
            proxied(str(servers.addresses[name]))
        )
    port = servers.processes.state.port("kafka-behind")
    proxies["kafka"], through[SETTING["kafka"]] = await stack.enter_async_context(
        proxied(f"//{HOST}:{port}")
    )
    through[SETTING["kafka"]] = through[SETTING["kafka"]].removeprefix("//")
    broker = await _kafka(servers.processes, settings, port, through[SETTING["kafka"]], progress)
    servers.addresses["kafka"] = broker.address
    direct = servers.settings(settings)
    return direct, direct.model_copy(update=through), proxies


async def _kafka(
    processes: Processes, settings: Settings, port: int, advertised: str,
    progress: Callable[[str], None],
) -> Server:  # fmt: skip
    """A broker with a second listener: a client goes where a broker tells it to, so a proxy has to be told of."""
    server = await kafka.server(processes, progress, settings.maven_url)
    _listen_behind(Path(server.argv[-1]), port, advertised)
    progress("starting kafka")
    await processes.start(server)
    return server


def _listen_behind(properties: Path, port: int, advertised: str) -> None:
    lines = []
    for line in properties.read_text(encoding="utf-8").splitlines():
        added = {
            "listeners": f"{BEHIND}://{HOST}:{port}",
            "advertised.listeners": f"{BEHIND}://{advertised}",
            "listener.security.protocol.map": f"{BEHIND}:PLAINTEXT",
        }.get(line.partition("=")[0])
        lines.append(f"{line},{added}" if added else line)
    lines.append("inter.broker.listener.name=PLAINTEXT")
    properties.write_text("\n".join(lines) + "\n", encoding="utf-8")


async def _stage(settings: Settings) -> Games:
    """Two partners and their games, in a database whose clock can be moved."""
    owner = await connect(settings, "faults", role=None)
    try:
        await FakeClock.of(owner)
        partner = await add_partner(owner, "Faults", "Europe/Vilnius")
        other = await add_partner(owner, "Elsewhere", "Europe/Vilnius")
        several = {"allow_multiple_active_coupons": True, "coupon_validity_days": 365}
        return Games(
            partner_id=partner.id,
            other_partner_id=other.id,
            shop_id=partner.default_shop_id,
            single=await a_game(owner, partner.id),
            many=await a_game(owner, partner.id, **several),
            card=await a_game(owner, partner.id, game_type="stamps", stamps_required=3, **several),
            dated=await a_game(owner, other.id, start_date="2020-01-01", **several),
        )
    finally:
        await owner.close()
