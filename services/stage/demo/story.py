"""The demo from beginning to end, step by step."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka.errors import KafkaError
from rich.console import Console

from services.insight.verify.run import verify
from services.local.servers import Servers
from services.runtime.settings import Settings
from services.stage.demo.account import Account
from services.stage.demo.live import step
from services.stage.demo.play import play
from services.stage.demo.shop.act import play_month, why_not
from services.stage.demo.shop.agreement import MonthAccount
from services.stage.demo.stage import running_servers, set_the_scene, start_processes, while_alive
from services.stage.demo.summary import (
    print_account,
    print_document,
    print_end,
    print_month,
    suggestions,
)
from services.terminal.narration import narration
from services.terminal.output import CommandError


async def tell(
    settings: Settings, *, acts: Collection[str], count: int, seed: int, as_json: bool
) -> bool:
    """Run these acts of the demo; True if everything holds. Raises CommandError or SettingsError, one line."""
    console = Console(stderr=True, highlight=False)
    console.print(
        "[bold]Couponry[/bold]: customers complete games, Kafka tells us, and each completion is decided once:"
        " a coupon, or a reason why not.",
        soft_wrap=True,
    )
    try:
        async with running_servers(settings) as servers:
            own = [name for name, pid in servers.pids.items() if pid]
            given = [name for name, pid in servers.pids.items() if not pid]
            started = f"{', '.join(own)} started in {settings.state_dir}" if own else ""
            step(console, 1, "Servers", "; ".join(filter(None, [started, *_given(given)])))
            complete = servers.settings(settings)

            account = None
            if "1" in acts:
                account = await _games(servers, complete, count, seed, console)
                if not as_json:
                    print_account(account)
            month = await _shop(servers, complete, acts, seed, console)
            if month is not None and not as_json:
                print_month(month)

            step(console, 8, "Verify", "every invariant, over everything stored")
            with narration() as progress:
                verified = await verify(complete, progress)
            commands = suggestions(account, month, settings if own else None)
            if as_json:
                print_document(account, month, verified, commands)
            else:
                print_end(verified, commands)
            told = [each.problems for each in (account, month) if each is not None]
            return verified.ok and not any(told)
    except KafkaError as error:
        raise CommandError(f"Kafka: {error or type(error).__name__}") from None


async def _games(
    servers: Servers, settings: Settings, count: int, seed: int, console: Console
) -> Account:
    """The first act."""
    scene = await set_the_scene(settings)
    step(console, 2, "Rules", f"partner {scene.partner_id} and its games, from {scene.file}")
    for game in scene.definitions:
        console.print(
            f"      {game['game_type']:<11}{game['name']:<22}{game['description']}",
            soft_wrap=True,
        )
    with narration() as progress:
        progress("starting an issuer and a relay")
        await start_processes(servers, settings)
    step(console, 3, "Processes", "an issuer that decides and a relay that publishes")
    return await while_alive(servers.processes, play(settings, scene, count, seed, console))


async def _shop(
    servers: Servers, settings: Settings, acts: Collection[str], seed: int, console: Console
) -> MonthAccount | None:
    """The second act; None where it is not wanted, or cannot be played and is not alone."""
    if "2" not in acts:
        return None
    why = why_not(servers, settings)
    if why is None:
        return await play_month(servers, settings, seed, console)
    if len(acts) == 1:
        raise CommandError(f"the second act cannot be played: {why}")
    step(console, 6, "A small shop", f"left out: {why}")
    return None


def _given(names: list[str]) -> list[str]:
    return [f"{', '.join(names)} as configured"] if names else []
