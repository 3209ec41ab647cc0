"""What the demo needs before it can send anything: servers, schema, topics, a partner with games, processes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from services.adapters.postgres.partners import add_partner
from services.admin.games import load_games, read_file
from services.local.process import Processes
from services.local.servers import Servers, start_servers
from services.runtime import processes
from services.runtime.settings import Settings
from services.stage.children import start_together
from services.stage.demo import catalogue
from services.stage.demo.workload import Game
from services.stage.up import prepare
from services.terminal.addresses import postgres
from services.terminal.narration import narration, tell
from services.terminal.output import CommandError

T = TypeVar("T")

PROCESSES = ("issuer", "relay")
"""What turns a completion into a coupon; the service has more, for other purposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What one run plays with. `tags`: how the ids of its events begin; `file` holds the definitions."""

    tags: str
    partner_id: int
    games: Sequence[Game]
    definitions: Sequence[dict[str, Any]]
    file: Path

    @property
    def names(self) -> dict[int, str]:
        """Game names by id."""
        pairs = zip(self.games, self.definitions, strict=True)
        return {game.id: str(definition["name"]) for game, definition in pairs}


@asynccontextmanager
async def running_servers(settings: Settings) -> AsyncIterator[Servers]:
    """Servers that answer, with schema and topics. What was started, processes too, is stopped in the end."""
    with narration() as progress:
        servers = await start_servers(settings, progress=progress)
    try:
        with narration() as progress:
            await prepare(servers, settings, progress)
        yield servers
    finally:
        tell("\nstopping what was started")
        await servers.processes.stop(processes.PROCESSES)
        await servers.stop()


async def set_the_scene(settings: Settings) -> Scene:
    """Add a partner and load its games from a file, as `partners add` and `games load` do."""
    async with postgres(settings, "demo") as connection:
        partner = await add_partner(connection, catalogue.PARTNER, catalogue.TIME_ZONE)
    definitions = catalogue.game_file(partner.id, datetime.now(UTC).date())
    file = settings.state_dir / "games.json"
    file.write_text(json.dumps(definitions, indent=2, ensure_ascii=False), encoding="utf-8")
    entries = read_file(file)
    ids = [id for id in await load_games(settings, str(file), entries) if id is not None]
    games = [
        Game(
            id=id,
            is_single=not entry.allow_multiple_active_coupons,
            is_active=entry.is_active,
            first_day=entry.start_date or date.min,
            last_day=entry.end_date or date.max,
        )
        for id, entry in zip(ids, entries, strict=True)
    ]
    return Scene(
        tags=f"demo-{secrets.token_hex(3)}-",
        partner_id=partner.id,
        games=games,
        definitions=definitions,
        file=file,
    )


async def start_processes(
    servers: Servers, settings: Settings, names: Collection[str] = PROCESSES
) -> None:
    """Start them as `up` does, anew where they run, and return when they are ready. Raises LocalServerError."""
    await start_together(names, servers.processes, settings)


async def while_alive(
    started: Processes, work: Coroutine[Any, Any, T], names: Collection[str] = PROCESSES
) -> T:
    """The work's result. Raises CommandError as soon as one of these processes ends."""
    task = asyncio.ensure_future(work)
    ends = {asyncio.ensure_future(started.ended(name)): name for name in names}
    try:
        await asyncio.wait({task, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for end, name in ends.items():
            if end.done() and not task.done():
                log = started.state.path / f"{name}.log"
                raise CommandError(f"{name} has ended with exit code {end.result()}: see {log}")
        return await task
    finally:
        for one in (task, *ends):
            one.cancel()
        await asyncio.gather(task, *ends, return_exceptions=True)
