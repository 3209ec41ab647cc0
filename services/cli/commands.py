"""The commands of `couponry`: a table of them, each imported only when used, and one place for errors.

Exit codes: 0 done, 1 the answer is no (`verify` violated, `explain` unknown), 2 wrong input or an unreachable server.
Whatever ends with 2 says so in exactly one line on stderr. Results go to stdout, progress to stderr.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from zoneinfo import ZoneInfoNotFoundError

import click

from services.runtime.settings import SettingsError

COMMANDS = {
    "demo": ("services.stage.demo:demo", "Show the whole system on local servers with real input."),
    "up": ("services.stage.up:up", "Run servers and all processes here until interrupted."),
    "issuer": ("services.cli.processes:issuer", "Decide incoming events, issue coupons."),
    "relay": ("services.cli.processes:relay", "Publish what was decided, each event once."),
    "sweeper": (
        "services.cli.processes:sweeper",
        "End what is over, announce what is about to end.",
    ),
    "webhooks": (
        "services.cli.processes:webhooks",
        "Tell partners' own coupon systems of coupons.",
    ),
    "api": ("services.cli.processes:api", "Serve the partner API."),
    "migrate": ("services.admin.schema:migrate", "Bring the database schema up to date."),
    "topics": ("services.admin.topics:topics", "Create the topics and set their limits."),
    "partners": ("services.admin.partners:partners", "Add and list partners."),
    "shops": ("services.admin.catalogue:shops", "Add and list a partner's shops."),
    "products": ("services.admin.catalogue:products", "Add and list a partner's products."),
    "games": ("services.admin.games:games", "Load games from a file, list them."),
    "program": (
        "services.admin.program:program",
        "Load a partner's program, show it, list its versions.",
    ),
    "coupons": ("services.admin.coupons:coupons", "List coupons."),
    "token": ("services.admin.token:token", "A signed development token for the partner API."),
    "status": ("services.insight.status.command:status", "Is all well, and if not, what to do?"),
    "explain": (
        "services.insight.explain.command:explain",
        "Why an event did or did not issue a coupon or earn points.",
    ),
    "customers": (
        "services.insight.statement.command:customers",
        "A customer's statement: points, tier, coupons.",
    ),
    "verify": (
        "services.insight.verify.command:verify",
        "Check every invariant over everything stored.",
    ),
    "replay": ("services.repair.replay.command:replay", "Read a range of a topic again."),
    "republish": ("services.repair.republish:republish", "Send coupon.issued again."),
    "repair-clock": (
        "services.repair.repair_clock:repair_clock",
        "Mend what a wrong clock of the database has left.",
    ),
    "what-if": (
        "services.insight.what_if.command:what_if_command",
        "Decide history again under changed rules, in memory.",
    ),
    "dead-letters": (
        "services.repair.dead_letters.command:dead_letters",
        "List, show, redrive and discard dead letters.",
    ),
}
"""Name → where the click command is, and its line in `--help`."""

INTERRUPTED = 128 + signal.SIGINT
PIPE_CLOSED = 128 + signal.SIGPIPE


class LazyGroup(click.Group):
    """A group whose `--help` and dispatch read `COMMANDS` and import only the command asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=LazyGroup, no_args_is_help=False)
@click.version_option(package_name="couponry")
def cli() -> None:
    """Coupons for completed games, each decided once. Settings: COUPONRY_* variables, see the README."""


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    # Without handlers of their own, a client's retries and what became of a connection that was cut off while it was
    # being made would be more lines beside the error. A process that logs has a handler for all of it.
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        # Not through click's `main`, which would print on Ctrl-C and has its own exit code for a closed pipe.
        with cli.make_context("couponry", list(arguments)) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "couponry"
        # For a group without a command the message would be its whole help.
        silent = isinstance(error, click.exceptions.NoArgsIsHelpError)
        message = "Missing command" if silent else error.format_message().rstrip(".")
        return _refuse(f"{path}: {message} (see `{path} --help`)")
    except click.ClickException as error:
        return _refuse(f"couponry: {error.format_message()}")
    except SettingsError as error:
        return _refuse(f"couponry: {error}")
    except ZoneInfoNotFoundError as error:
        return _refuse(f"couponry: {error.args[0]}: install the package tzdata on this machine")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left; the interpreter must not try to flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _refuse(message: str) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return 2
