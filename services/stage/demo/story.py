"""The demo from beginning to end, step by step."""

from __future__ import annotations

from aiokafka.errors import KafkaError
from rich.console import Console

from services.insight.verify.run import verify
from services.runtime.settings import Settings
from services.stage.demo.live import step
from services.stage.demo.play import play
from services.stage.demo.stage import running_servers, set_the_scene, start_processes, while_alive
from services.stage.demo.summary import print_document, print_summary, suggestions
from services.terminal.narration import narration
from services.terminal.output import CommandError


async def tell(settings: Settings, *, count: int, seed: int, as_json: bool) -> bool:
    """Run the demo; True if everything holds. Raises CommandError or SettingsError, one line."""
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

            scene = await set_the_scene(complete)
            step(
                console, 2, "Rules", f"partner {scene.partner_id} and its games, from {scene.file}"
            )
            for game in scene.definitions:
                console.print(
                    f"      {game['game_type']:<11}{game['name']:<22}{game['description']}",
                    soft_wrap=True,
                )

            with narration() as progress:
                progress("starting an issuer and a relay")
                await start_processes(servers, complete)
            step(console, 3, "Processes", "an issuer that decides and a relay that publishes")

            account = await while_alive(
                servers.processes, play(complete, scene, count, seed, console)
            )
            step(console, 6, "Verify", "every invariant, over everything stored")
            with narration() as progress:
                verified = await verify(complete, progress)
            commands = suggestions(account, settings if own else None)
            if as_json:
                print_document(account, verified, commands)
            else:
                print_summary(account, verified, commands)
            return not account.problems and verified.ok
    except KafkaError as error:
        raise CommandError(f"Kafka: {error or type(error).__name__}") from None


def _given(names: list[str]) -> list[str]:
    return [f"{', '.join(names)} as configured"] if names else []
